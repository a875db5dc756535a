"""The first layer of a vision transformer as one matrix product over raw pixels.

N frames, H = W side of a frame, P side of a patch, G = H / P patches a side, C channels out.
"""

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from clipsum.config import Preprocessing

_MIDDLE = 128  # pixels around zero: -128 … 127 are exact in bf16, and little cancels in the sum


class Patches(nn.Module):
    """Normalisation and patch convolution in one: uint8 (N, H, W, 3) -> (N, C, G, G), as the convolution lays it out.

    (pixel / 255 - mean) / std goes into weights and bias. On a CPU in bf16 twice as fast as the two steps apart.
    """

    def __init__(self, convolution: nn.Conv2d, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.side = convolution.kernel_size[0]
        std = torch.tensor(preprocessing.std, dtype=torch.float64).view(1, 3, 1, 1)
        shift = _MIDDLE / 255 - torch.tensor(preprocessing.mean, dtype=torch.float64).view(1, 3, 1, 1)
        weight = convolution.weight.detach().double() / std
        bias = (weight * shift).sum(dim=(1, 2, 3))  # open_clip's convolution has none of its own
        # Pixels of a patch come row by row with the colours last.
        self.weight = nn.Parameter((weight / 255).permute(0, 2, 3, 1).flatten(1).float(), requires_grad=False)
        self.bias: Tensor
        self.register_buffer("bias", bias.float())  # no weight of CLIP's, so no parameter that is counted

    def forward(self, pixels: Tensor) -> Tensor:
        """Raw frames (N, H, W, 3) uint8, H a multiple of P -> (N, C, G, G) in the type of the weights."""
        count, grid = len(pixels), pixels.shape[1] // self.side
        rows = pixels.view(count, grid, self.side, grid, self.side * 3).transpose(2, 3)
        patches = rows.reshape(count, grid, grid, -1).to(self.weight.dtype).sub_(_MIDDLE)
        return nn.functional.linear(patches, self.weight, self.bias).permute(0, 3, 1, 2)


def takes_raw_pixels(visual: nn.Module, preprocessing: Preprocessing) -> bool:
    """Let a vision transformer of open_clip start with `Patches`, in place; False where the tower is something else."""
    if not isinstance(visual, VisionTransformer):
        return False
    side = visual.conv1.kernel_size
    if side != (side[0], side[0]) or preprocessing.size_px % side[0]:
        return False
    visual.conv1 = Patches(visual.conv1, preprocessing)
    return True
