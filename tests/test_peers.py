"""Models from everywhere: each one's tokens are its own values, in their places, under its usual names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.extraction.model_layers import layers
from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.models.load import load_model
from semrsm_widgets.models.vision_model import VisionModel

IMAGES = demo_images().select([0, 3])
SIDE = 64


def square(image):
    return T.functional.to_tensor(image.resize((SIDE, SIDE)))


def by_keyword(image):
    return {"pixel_values": square(image)[None]}


def maps(x: torch.Tensor) -> torch.Tensor:
    """Return the tokens of a map (N, C, h, w)."""
    return x.flatten(2).transpose(1, 2)


@dataclass
class Peer:
    """A model, one of its layers, and that layer's tokens by the model's own means.

    Attributes:
        make: gives the VisionModel.
        layer: the layer, as `extract` takes it (names differ between versions).
        tokens: from the module and a batch the tokens (N, S, D) that are expected.
        grid: their grid.
        prefix: how many tokens stand aside.
        has_class_token: whether the first of them is a class token.
    """

    make: Callable[[], VisionModel]
    layer: str
    tokens: Callable[[Any, torch.Tensor], torch.Tensor]
    grid: tuple[int, int]
    prefix: int = 0
    has_class_token: bool = False


def torchvision_resnet() -> VisionModel:
    from torchvision.models import ResNet18_Weights, resnet18

    transform = ResNet18_Weights.DEFAULT.transforms()
    return VisionModel(resnet18(), transform)


def resnet_tokens(module, x):
    x = module.maxpool(module.relu(module.bn1(module.conv1(x))))
    return maps(module.layer3(module.layer2(module.layer1(x))))


def torchvision_vit() -> VisionModel:
    from torchvision.models import VisionTransformer

    return VisionModel(VisionTransformer(SIDE, 8, num_layers=3, num_heads=2, hidden_dim=32, mlp_dim=64), square)


def vit_tokens(module, x):
    x = torch.cat([module.class_token.expand(len(x), -1, -1), module._process_input(x)], 1)
    x = x + module.encoder.pos_embedding
    return module.encoder.layers[1](module.encoder.layers[0](x))[:, 1:]


def torchvision_swin() -> VisionModel:
    from torchvision.models import SwinTransformer

    return VisionModel(SwinTransformer([4, 4], 24, [2, 2], [2, 4], [4, 4]), square)


def segmentation() -> VisionModel:
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    return VisionModel(lraspp_mobilenet_v3_large(weights=None, weights_backbone=None), square)


def segmentation_tokens(module, x):
    return maps(module.backbone(x)["high"])


def open_clip_tower() -> VisionModel:
    open_clip = pytest.importorskip("open_clip")
    tower = open_clip.model.VisionTransformer(
        image_size=SIDE, patch_size=8, width=32, layers=3, heads=2, mlp_ratio=2, output_dim=16
    )
    return VisionModel(tower, square)


def open_clip_tokens(module, x):
    x = module._embeds(x)
    for block in module.transformer.resblocks[:2]:
        x = block(x)
    return x[:, 1:]


def dinov2() -> VisionModel:
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE, patch_size=8, num_register_tokens=4
    )
    return VisionModel(transformers.Dinov2WithRegistersModel(config), by_keyword)


def plain_dinov2() -> VisionModel:
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2Config(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE, patch_size=8
    )
    return VisionModel(transformers.Dinov2Model(config), by_keyword)


def clip() -> VisionModel:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE, patch_size=8
    )
    return VisionModel(transformers.CLIPVisionModel(config), by_keyword)


def hidden(k: int, prefix: int) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """Return what gives the tokens after block k of a Hugging Face model."""
    return lambda module, x: module(pixel_values=x, output_hidden_states=True).hidden_states[k + 1][:, prefix:]


class Mine(nn.Module):
    """A small network of a user's own, with its tokens in the order (L, N, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 8, 8)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(24, 2, 48) for _ in range(3))
        self.head = nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).permute(2, 0, 1)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(0))


def mine_tokens(module, x):
    return module.blocks[0](module.patches(x).flatten(2).permute(2, 0, 1)).transpose(0, 1)


PEERS = {
    "torchvision ResNet": Peer(torchvision_resnet, "layer3", resnet_tokens, (14, 14)),
    "torchvision ViT": Peer(torchvision_vit, "encoder.layers.encoder_layer_1", vit_tokens, (8, 8), 1, True),
    "torchvision Swin": Peer(torchvision_swin, "features.1", lambda m, x: m.features[:2](x).flatten(1, 2), (16, 16)),
    "torchvision segmentation": Peer(segmentation, "backbone.high", segmentation_tokens, (4, 4)),
    "open_clip": Peer(open_clip_tower, "transformer.resblocks.1", open_clip_tokens, (8, 8), 1, True),
    "Hugging Face Dinov2": Peer(plain_dinov2, "encoder.layer.1", hidden(1, 1), (8, 8), 1, True),
    "Hugging Face Dinov2 with registers": Peer(dinov2, "encoder.layer.1", hidden(1, 5), (8, 8), 5, True),
    "Hugging Face CLIP": Peer(clip, r"re:(vision_model\.)?encoder\.layers\.1", hidden(1, 1), (8, 8), 1, True),
    "a user's own": Peer(lambda: VisionModel(Mine(), square), "blocks.0", mine_tokens, (8, 8)),
}


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_tokens_are_the_models_own_values_in_their_places(peer):
    torch.manual_seed(0)
    model = peer.make()
    table = layers(model)
    defaults = [table[name] for name in table.defaults]
    assert len(defaults) >= 3
    assert all(row.grid is not None for row in defaults)
    (found,) = extract(model, IMAGES, peer.layer).values()
    batch = [model.transform(image) for image in IMAGES]
    x = torch.stack([each["pixel_values"][0] if isinstance(each, dict) else each for each in batch])
    model.module.eval()
    with torch.no_grad():
        expected = peer.tokens(model.module, x)
    torch.testing.assert_close(found.values, expected, rtol=1e-4, atol=1e-5)
    assert found.grid == peer.grid
    assert (0 if found.prefix is None else found.prefix.shape[1]) == peer.prefix
    assert found.has_class_token == peer.has_class_token


def test_a_checkpoint_with_prefixes_gives_the_tokens_of_the_model_it_was_saved_from(tmp_path):
    torch.manual_seed(0)
    trained = load_model("test_vit", pretrained=False)
    state = {f"module.{name}": value for name, value in trained.module.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 12}, tmp_path / "checkpoint.pth.tar")
    loaded = load_model("test_vit", weights=tmp_path / "checkpoint.pth.tar")
    for name, tokens in extract(trained, IMAGES).items():
        torch.testing.assert_close(extract(loaded, IMAGES, name)[name].values, tokens.values)
        assert tokens.grid == (10, 10)
