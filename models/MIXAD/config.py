"""The hyperparameters of MIXAD, under their published names."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from typing_extensions import Self

from models.settings import ModelSettings

AtLeastTwo = Annotated[int, Field(ge=2)]


class MIXADConfig(ModelSettings):
    """Shape and loss of a MIXAD network; the defaults are those published for SMD."""

    seq_len: PositiveInt = 30  # T, points in a window

    # Recurrent cells
    rnn_units: PositiveInt = 64  # features of a channel in the encoder
    num_rnn_layers: PositiveInt = 1  # in the encoder, and in the decoder
    max_diffusion_step: AtLeastTwo = 3  # Chebyshev terms of a graph; the first is the channel itself

    # Memory
    mem_num: AtLeastTwo = 5  # slots
    mem_dim: PositiveInt = 64  # features of a slot
    graph: Literal["mode", "sample"] = "mode"  # in evaluation: each edge's likelier choice, or a draw as in training

    # Curriculum: in training the decoder is fed true values, gradually fewer of them
    use_curriculum_learning: bool = True  # else it is always fed its own
    cl_decay_steps: PositiveInt = 2000  # in batches; how slowly their number decreases

    # Loss
    lamb_cont: NonNegativeFloat = 0.01  # weight of the contrast between the two nearest slots
    lamb_cons: NonNegativeFloat = 0.1  # weight of the distance to the nearest slot
    lamb_kl: NonNegativeFloat = 0.0001  # weight of the slots' uneven use
    margin: NonNegativeFloat = 1.0  # margin of the contrast

    @model_validator(mode="after")
    def _check_curriculum(self) -> Self:
        if (
            not self.use_curriculum_learning
            and self.cl_decay_steps != type(self).model_fields["cl_decay_steps"].default
        ):
            raise ValueError("cl_decay_steps has no effect without use_curriculum_learning: remove it")
        return self
