import torch

from models.MIXAD.memory import Memory
from tests.support.mixad_cases import small


def plain():
    """Return a memory of three slots, whose queries are the states."""
    memory = Memory(small(rnn_units=4), channels=2)
    with torch.no_grad():
        memory.slots.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0]]))
        memory.query.copy_(torch.eye(4))
        memory.source.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 1]]))
        memory.target.copy_(torch.tensor([[0.0, 0, 1], [2, 0, 0]]))
    return memory


def test_a_read_by_hand():
    memory = plain()
    state = torch.tensor([[[0.0, 1.0, 0.1, 5.0], [3.0, 0.0, 1.0, 0.0]]])  # scores 0, 1, 0.2 and 3, 0, 2
    read = memory(state)
    expected = torch.tensor([[0.0, 1.0, 0.2], [3.0, 0.0, 2.0]]).softmax(-1)[None]
    assert torch.equal(read.query, state)
    torch.testing.assert_close(read.attention, expected)
    torch.testing.assert_close(read.value[..., :3], expected * torch.tensor([1.0, 1.0, 2.0]))
    assert torch.equal(read.positive[0], memory.slots[[1, 0]])
    assert torch.equal(read.negative[0], memory.slots[[2, 2]])


def test_embeddings_by_hand():
    source, target = plain().embeddings()
    assert source.tolist() == [[1, 0, 0, 0], [0, 1, 2, 0]]
    assert target.tolist() == [[0, 0, 2, 0], [2, 0, 0, 0]]
