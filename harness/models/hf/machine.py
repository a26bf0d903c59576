"""What this machine has to compute with."""

from __future__ import annotations

import torch


def accelerators() -> list[str]:
    """Name and memory of each accelerator; empty where there is none."""
    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        return [f"{device.name} {device.total_memory / 1e9:.0f} GB" for device in devices]
    return ["Apple GPU"] if torch.backends.mps.is_available() else []
