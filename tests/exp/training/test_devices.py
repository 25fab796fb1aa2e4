import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from exp.config import ExperimentConfig
from exp.errors import UserError
from exp.training import devices
from models import DETECTORS
from tests.support.command_line import settings


@pytest.fixture
def machine(monkeypatch):
    """Pretend that there are CUDA devices and MPS."""

    def pretend(cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Pretended {device.index or 0}")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"), [(0, False, "cpu"), (1, False, "cuda"), (0, True, "mps"), (2, True, "cuda")]
)
def test_auto_takes_the_fastest(machine, cuda, mps, chosen):
    machine(cuda, mps)
    assert devices.choose_device("auto") == devices.choose_device() == torch.device(chosen)
    assert devices.choose_device("cpu") == torch.device("cpu")


def test_named_devices(machine):
    machine(cuda=2, mps=True)
    for name in ("cuda", "cuda:0", "cuda:1", "mps"):
        assert devices.choose_device(name) == torch.device(name)
    with pytest.raises(UserError, match="--device cuda:2: there are 2 CUDA devices, counted from 0"):
        devices.choose_device("cuda:2")


def test_devices_that_are_not_there(machine):
    machine()
    for name in ("cuda", "cuda:0"):
        with pytest.raises(UserError, match=f"--device {name}: .*no CUDA device.*--device auto or cpu"):
            devices.choose_device(name)
    with pytest.raises(UserError, match=r"--device mps: .*no MPS device.*--device auto or cpu"):
        devices.choose_device("mps")


@given(st.text(max_size=8) | st.from_regex(r"(cpu|cuda|mps|auto):?.{0,3}", fullmatch=True))
def test_any_other_name_is_refused_in_one_line(name):
    text = f"--device {name}: "
    try:
        assert devices.choose_device(name).type in ("cpu", "cuda", "mps")
    except UserError as error:
        text = str(error)
    assert text.startswith(f"--device {name}: ")


def test_descriptions(machine):
    machine(cuda=2)
    assert devices.describe_device(torch.device("cuda", 1)) == "cuda:1 (Pretended 1)"
    assert devices.describe_device(torch.device("mps")) == "mps"
    assert "1 threads" in devices.describe_device(torch.device("cpu"))


def test_precision():
    x = torch.randn(4, 4)
    with devices.mixed_precision(torch.device("cpu"), "fp32"):
        assert (x @ x).dtype == torch.float32
    with devices.mixed_precision(torch.device("cpu"), "bf16"):
        assert (x @ x).dtype == torch.bfloat16


def draws(seed, epoch=0, rank=0):
    order = devices.seed_everything(seed, epoch, rank)
    return torch.randn(4).tolist(), torch.randperm(50, generator=order).tolist()


def test_seeds_epochs_and_processes_draw_different_numbers():
    numbers = [
        draws(seed, epoch, rank)[0]
        for seed in (0, 1, 2025, 4096 + 1, 2**32 - 1)
        for epoch in range(3)
        for rank in (0, 1)
    ]
    assert len({tuple(row) for row in numbers}) == len(numbers)
    assert draws(7, 3) == draws(7, 3)
    assert draws(7, 3, rank=0)[1] == draws(7, 3, rank=1)[1]
    assert draws(7, 3)[1] != draws(7, 4)[1] != draws(8, 4)[1]


@pytest.mark.parametrize("norm", ["layernorm", "batchnorm"])
def test_the_network_makes_no_choice_of_its_own(norm):
    """On the meta device, a tensor created on another device would be an error."""
    config = ExperimentConfig.from_dict(settings(model__norm=norm))
    network = DETECTORS[config.detector].network(config.model).to("meta")
    assert {tensor.device.type for tensor in [*network.parameters(), *network.buffers()]} == {"meta"}
    x = torch.empty(3, config.model.seq_len, 2, device="meta")
    output = network.train()(x)
    output.loss.backward()
    assert output.loss.shape == ()
    assert output.target.shape == output.reconstruction.shape == (3, 12 + 24, 2)
    assert {parameter.grad.device.type for parameter in network.parameters()} == {"meta"}
    score = network.score(x)
    assert score.shape == x.shape
    assert score.device.type == "meta"


@pytest.mark.parametrize(
    ("text", "able"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("Features\t: fp asimd i8mm bf16\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd\n", False),
        ("model name\t: none of the words\n", True),  # unknown
        (None, True),
    ],
)
def test_bf16_on_a_cpu(monkeypatch, tmp_path, text, able):
    monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "cpuinfo")
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    devices.check_abilities(torch.device("cpu"), precision="fp32", compiled=False)
    if able:
        devices.check_abilities(torch.device("cpu"), precision="bf16", compiled=False)
    else:
        with pytest.raises(
            UserError, match=r"^train\.precision bf16: this CPU has no bf16 .*: use train\.precision=fp32"
        ):
            devices.check_abilities(torch.device("cpu"), precision="bf16", compiled=False)


@pytest.mark.parametrize(
    ("capability", "bf16", "compiled"), [((9, 0), True, True), ((7, 5), False, True), ((6, 1), False, False)]
)
def test_abilities_of_a_cuda_device(machine, monkeypatch, capability, bf16, compiled):
    machine(cuda=1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.utils._triton, "has_triton", lambda: True)
    for able, asked in (
        (bf16, {"precision": "bf16", "compiled": False}),
        (compiled, {"precision": "fp32", "compiled": True}),
    ):
        if able:
            devices.check_abilities(torch.device("cuda"), **asked)
        else:
            with pytest.raises(UserError, match="Pretended 0"):
                devices.check_abilities(torch.device("cuda"), **asked)


def test_nothing_that_compiles(machine, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "clang++-99 -v")
    with pytest.raises(UserError, match=r"train\.compile: .*C\+\+ compiler.*no clang\+\+-99.*train\.compile=false"):
        devices.check_abilities(torch.device("cpu"), precision="fp32", compiled=True)
    machine(cuda=1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.utils._triton, "has_triton", lambda: False)
    with pytest.raises(UserError, match=r"train\.compile: .*triton"):
        devices.check_abilities(torch.device("cuda"), precision="fp32", compiled=True)
