import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.MIXAD.cells import Decoder, Encoder, GraphConvolution, RecurrentCell, merge_identities, truth_probability
from tests.support.mixad_cases import configs, small


def terms_of(count, nodes=4):
    generator = torch.Generator().manual_seed(5)
    return tuple(0.5 * torch.randn(2 * (count - 1), nodes, nodes, generator=generator))


@given(st.integers(2, 5), st.integers(1, 4), st.integers(1, 4))
def test_graph_convolution_by_the_definition(count, inputs, outputs):
    torch.manual_seed(0)
    convolution = GraphConvolution(inputs, outputs, count)
    weights, bias = torch.randn(2 * count * inputs, outputs), torch.randn(outputs)
    with torch.no_grad():
        convolution.weight.copy_(merge_identities(weights, count))
        convolution.bias.copy_(bias)
    x, terms = torch.randn(3, 4, inputs), terms_of(count)  # (B, N, f)
    supports = [torch.eye(4), *terms[: count - 1], torch.eye(4), *terms[count - 1 :]]
    mixed = torch.cat([torch.einsum("nm,bmf->bnf", support, x) for support in supports], dim=-1)
    expected = mixed @ weights + bias
    own = convolution(x.permute(2, 0, 1), terms)
    torch.testing.assert_close(own.permute(1, 2, 0), expected, rtol=1e-4, atol=1e-4)


def test_new_weights_are_those_of_xavier():
    torch.manual_seed(0)
    convolution = GraphConvolution(50, 100, 3)
    deviation = math.sqrt(2 / (2 * 3 * 50 + 100))
    identity, others = convolution.weight.detach().split([50, 200], dim=1)
    assert float(others.std()) == pytest.approx(deviation, rel=0.03)
    assert float(identity.std()) == pytest.approx(math.sqrt(2) * deviation, rel=0.03)
    assert not convolution.bias.any()


def test_cell_by_the_definition():
    torch.manual_seed(0)
    cell, terms = RecurrentCell(2, 3, 2), terms_of(2)
    x, state = torch.randn(2, 5, 4), torch.randn(3, 5, 4)
    z, r = torch.sigmoid(cell.gates(torch.cat([x, state]), terms)).split(3)
    candidate = torch.tanh(cell.candidate(torch.cat([x, z * state]), terms))
    torch.testing.assert_close(cell(x, state, terms), r * state + (1 - r) * candidate)


def test_gradients_of_a_cell():
    torch.manual_seed(0)
    cell = RecurrentCell(1, 2, 3).double()
    terms = tuple(term.double().requires_grad_() for term in terms_of(3, nodes=3))
    x, state = torch.randn(1, 2, 3).double().requires_grad_(), torch.randn(2, 2, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, state, *terms: cell(x, state, terms), (x, state, *terms))


@hypothesis_settings(max_examples=20)
@given(configs())
def test_encoder_layers_read_what_the_layer_below_writes(config):
    torch.manual_seed(0)
    encoder, terms = Encoder(config), terms_of(config.max_diffusion_step)
    windows = torch.randn(config.seq_len, 3, 4)
    inputs = [point[None] for point in windows]
    for cell in encoder.cells:
        state, outputs = torch.zeros(config.rnn_units, 3, 4), []
        for point in inputs:
            state = cell(point, state, terms)
            outputs.append(state)
        inputs = outputs
    assert len(encoder.cells) == config.num_rnn_layers
    torch.testing.assert_close(encoder(windows, terms), inputs[-1])


def decode(decoder, state, windows, feeds, terms):
    """Write windows by the definition."""
    states, point, written = [state] * len(decoder.cells), torch.zeros(1, *windows.shape[1:]), {}
    for t, is_fed in zip(reversed(range(len(windows))), feeds, strict=True):
        x = point
        for i, cell in enumerate(decoder.cells):
            states[i] = x = cell(x, states[i], terms)
        weight, bias = decoder.projection.weight[0], decoder.projection.bias
        written[t] = torch.einsum("u,ubn->bn", weight, x) + bias
        point = windows[t : t + 1] if is_fed else written[t][None]
    return torch.stack([written[t] for t in range(len(windows))])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("feeds", [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 0, 0]])
def test_decoder_writes_backwards_and_is_fed_what_is_told(layers, feeds):
    torch.manual_seed(0)
    decoder, terms = Decoder(small(num_rnn_layers=layers)), terms_of(3)
    state, windows = torch.randn(9, 3, 4), torch.randn(4, 3, 4)
    written = decoder(state, windows, torch.tensor(feeds, dtype=torch.bool), terms)
    torch.testing.assert_close(written, decode(decoder, state, windows, feeds, terms))


def test_the_curriculum():
    for batches, expected in [(0, 2000 / 2001), (2000, 2000 / (2000 + math.e)), (15202, 0.5), (10**9, 0.0)]:
        probability = truth_probability(torch.tensor(batches), 2000)
        assert float(probability) == pytest.approx(expected, abs=1e-4)
    assert float(truth_probability(torch.tensor(0), 1)) == 0.5
