"""A start that already looks around: ordinary Llama weights, arranged so that looking back is not left to luck.

With the usual random start a model this small copies words within minutes, but does not find out in an hour that it
should look up what followed the same word before. Here some heads begin as what they would have to become: layer 0
looks one, two and three tokens back and at a window of about fifteen; layers 1 to 3 match what two such heads have
written and copy what they find. Everything is trained afterwards; nothing is frozen.

Dimension 0 of the embedding starts as a constant, so that a head can look at a fixed distance through rotary positions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

EMBED_STD = 0.1
CONSTANT = 0.5
FAST = 6  # rotary frequencies used to tell single tokens apart; the slower ones are left to matching
OUTPUT_GAIN, COPY_GAIN, MATCH_GAIN = 0.215, 0.5, 1.7
WINDOW_CENTRE = 9


def orthogonal(rows: int, columns: int, *, spare_constant: bool = False) -> Tensor:
    """Random orthonormal columns; `spare_constant` keeps them away from dimension 0."""
    matrix = torch.linalg.qr(torch.randn(rows, columns))[0]
    if spare_constant:
        matrix[0] = 0
    return matrix


class HeadWriter:
    """Writes the weights of single attention heads of one model."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        config = model.config
        self.width = config.hidden_size
        self.head = self.width // config.num_attention_heads
        self.half = self.head // 2
        theta = config.rope_parameters["rope_theta"]
        self.frequencies = theta ** (-torch.arange(0, self.head, 2).float() / self.head)
        self.layers = model.model.layers

    def rows(self, head: int) -> slice:
        return slice(head * self.head, (head + 1) * self.head)

    def look_back(self, layer: int, head: int, distance: float, strength: Tensor) -> None:
        """Query and key meet where the key is `distance` tokens earlier; what the tokens are counts little."""
        attention, rows = self.layers[layer].self_attn, self.rows(head)
        attention.q_proj.weight[rows] *= 0.3
        attention.k_proj.weight[rows] *= 0.3
        turn = distance * self.frequencies
        attention.q_proj.weight[rows, 0] = torch.cat([strength, torch.zeros(self.half)])
        attention.k_proj.weight[rows, 0] = torch.cat([strength * turn.cos(), strength * turn.sin()])

    def match(self, layer: int, head: int, query: Tensor, key: Tensor) -> None:
        """Query and key meet where the subspaces `query` and `key` (width x head) hold the same."""
        slow = [*range(FAST, self.half), *range(self.half + FAST, self.head)]
        mixing = orthogonal(self.head, len(slow)).T * MATCH_GAIN
        attention, rows = self.layers[layer].self_attn, self.rows(head)
        for projection, subspace in ((attention.q_proj, query), (attention.k_proj, key)):
            weight = torch.zeros(self.head, self.width)
            weight[slow] = mixing @ subspace.T
            projection.weight[rows] = weight

    def carry(self, layer: int, head: int, read: Tensor, write: Tensor, gain: float) -> None:
        """What the head moves: from the subspace `read` to the subspace `write` (both width x head)."""
        attention, rows = self.layers[layer].self_attn, self.rows(head)
        attention.v_proj.weight[rows] = read.T
        attention.o_proj.weight[:, rows] = write * gain


@torch.no_grad()  # type: ignore[untyped-decorator]
def structured_init(model: LlamaForCausalLM) -> None:
    """Arrange a freshly made model of four heads per layer as described above."""
    writer = HeadWriter(model)
    width, head = writer.width, writer.head
    model.model.embed_tokens.weight.normal_(0, EMBED_STD)
    model.model.embed_tokens.weight[:, 0] = CONSTANT
    sharp = torch.zeros(writer.half)
    sharp[:FAST] = 1.3
    wide = torch.zeros(writer.half)
    wide[3:5] = 0.8
    two_back, three_back, window, window_before = orthogonal(width, width, spare_constant=True).split(head, dim=1)
    shared = orthogonal(width, head, spare_constant=True)

    for number, distance in enumerate((1, 2, 3)):
        writer.look_back(0, number, distance, sharp)
    writer.carry(0, 0, orthogonal(width, head), orthogonal(width, head), OUTPUT_GAIN)
    writer.carry(0, 1, shared, two_back, OUTPUT_GAIN)
    writer.carry(0, 2, shared, three_back, OUTPUT_GAIN)
    writer.look_back(0, 3, WINDOW_CENTRE, wide)
    writer.carry(0, 3, 2 * orthogonal(width, head), window, OUTPUT_GAIN)

    writer.look_back(1, 0, 1, sharp)
    writer.carry(1, 0, window, window_before, OUTPUT_GAIN)
    writer.look_back(2, 0, 1, sharp)
    writer.carry(2, 0, orthogonal(width, head), orthogonal(width, head), OUTPUT_GAIN)
    anything = orthogonal(width, head)
    for layer, (query, key) in enumerate(((two_back, three_back), (window, window_before), (anything, anything)), 1):
        moved = orthogonal(width, 2 * head, spare_constant=True).split(head, dim=1)
        for number, subspace in enumerate(moved, 1):
            writer.match(layer, number, query, key)
            writer.carry(layer, number, subspace, subspace, COPY_GAIN)
