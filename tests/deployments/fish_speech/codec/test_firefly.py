"""The codec of version 1.5 beside the original's arrays; streams; lengths; released sizes."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.fish_speech.codec.codec import Codec, Condition
from deployments.fish_speech.codec.sizes import QuantizerSize
from deployments.fish_speech.v15.firefly import Firefly, FireflyCodec, FireflySize, left_context, load_firefly
from deployments.layers.convolution import set_layout
from deployments.layers.sizes import HiFiGanSize
from deployments.layers.state_dict import shapes_only
from tests.deployments.fish_speech.codec.support import FIREFLY, difference, golden

FRAME = 2_048


@pytest.fixture(scope="module")
def codec() -> FireflyCodec:
    return load_firefly(FIREFLY / "model.pth", "cpu")


def test_it_is_a_codec_of_the_released_form(codec: FireflyCodec) -> None:
    as_protocol: Codec = codec
    assert (as_protocol.sample_rate, as_protocol.frame_samples, as_protocol.codebooks) == (44_100, FRAME, 8)
    assert (as_protocol.codebook_entries, as_protocol.left_context) == (1_000, 15)


@torch.inference_mode()
def test_features_are_the_originals(codec: FireflyCodec) -> None:
    expected, network = golden(FIREFLY), codec.network
    own = torch.arange(58) < (expected["audio_lengths"] // 512)[:, None, None]
    features = network.backbone(expected["mel_raw"] * own) * own
    assert difference(features, expected["backbone_masked"]) < 1e-4
    assert difference(network.quantizer.downsample(features), expected["quantizer_latents"]) < 1e-4
    assert difference(network.quantizer.decode(expected["codes"]), expected["quantizer_decode"]) < 1e-4


@torch.inference_mode()
def test_codes_of_a_padded_batch_are_the_originals(codec: FireflyCodec) -> None:
    expected = golden(FIREFLY)
    mel = codec.spectrogram(expected["audio"][:, 0])
    codes = codec.network.encode(mel, expected["audio_lengths"] // 512)
    assert torch.equal(codes, expected["codes"])
    assert codes.dtype == torch.int32


def test_codes_of_one_recording_are_the_originals(codec: FireflyCodec) -> None:
    expected = golden(FIREFLY)
    codes = codec.encode(expected["audio"][0, 0])
    assert torch.equal(codes, expected["codes_single"][0])
    lengths = [codec.full_frames(int(length)) for length in expected["audio_lengths"]]
    assert lengths == expected["feature_lengths"].tolist()


def test_sound_is_the_originals_in_a_batch_and_alone(codec: FireflyCodec) -> None:
    expected = golden(FIREFLY)
    frames, samples = (14, 10), (14 * FRAME, 10 * FRAME)
    together = codec.decode(expected["codes"][..., :14])
    assert together.dtype == torch.float32
    for item in range(2):  # what comes after the second one's ten frames is silenced in the original
        theirs = expected["decoded_audio"][item, 0, : samples[item]]
        assert difference(together[item, : samples[item]], theirs) < 1e-5
        alone = codec.decode(expected["codes"][item : item + 1, :, : frames[item]])
        assert difference(alone[0], theirs) < 1e-5
        assert difference(alone[0], together[item, : samples[item]]) < 1e-6
    sound = codec.decode(expected["rand_codes"])
    assert difference(sound, expected["rand_decoded"][:, 0]) < 1e-5


@pytest.mark.parametrize("frames", range(1, 9))
def test_a_prefix_sounds_like_the_whole(codec: FireflyCodec, frames: int) -> None:
    expected = golden(FIREFLY)
    sound = codec.decode(expected["rand_codes"][..., :frames])
    assert difference(sound, expected["rand_decoded"][:, 0, : frames * FRAME]) < 1e-6


@settings(max_examples=settings.default.max_examples // 6)
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.integers(1, 25), min_size=1, max_size=2, unique=True))
def test_windows_with_left_context_sound_like_the_whole(codec: FireflyCodec, seed: int, cuts: list[int]) -> None:
    codes = torch.randint(0, 1_024, (1, 8, 26), generator=torch.Generator().manual_seed(seed))
    whole = codec.decode(codes)
    edges = [0, *sorted(cuts), 26]
    for begin, end in pairwise(edges):
        start = max(0, begin - codec.left_context)
        theirs = whole[:, begin * FRAME : end * FRAME]
        window = codec.decode(codes[..., start:end], context=begin - start)
        assert difference(window, theirs) < 1e-6
        cut = codec.decode(codes[..., start:end])[:, (begin - start) * FRAME :]
        assert difference(cut, theirs) < 1e-6


def test_one_frame_of_context_less_is_heard_in_double_precision() -> None:
    codec = load_firefly(FIREFLY / "model.pth", "cpu").to("cpu", torch.float64)
    codes = torch.randint(0, 1_000, (1, 8, 18), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        whole = codec.network.decode(codes)[:, 17 * FRAME :]
        enough, less = (
            codec.network.decode(codes[..., 17 - context :], context)
            for context in (codec.left_context, codec.left_context - 1)
        )
    assert difference(enough, whole) < 1e-15
    assert difference(less, whole) > 1e-15


def test_streams_of_a_batch_sound_like_each_alone(codec: FireflyCodec) -> None:
    codes = torch.randint(0, 1_000, (3, 8, 21), generator=torch.Generator().manual_seed(4))
    together = codec.decode(codes, context=15)
    assert together.shape == (3, 6 * FRAME)
    for item in range(3):
        assert difference(codec.decode(codes[item : item + 1], context=15)[0], together[item]) < 1e-6


def test_little_is_computed_for_the_context(codec: FireflyCodec) -> None:
    lengths: dict[int, list[int]] = {}
    for context in (0, 15):
        lengths[context] = seen = []
        hooks = [
            blocks.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0].shape[-1]))
            for blocks in codec.network.head.resblocks
        ]
        codec.decode(torch.zeros(1, 8, 6 + context, dtype=torch.int32), context=context)
        for hook in hooks:
            hook.remove()
    assert lengths[0] == [6 * samples for samples in (32, 256, 512, 1_024, 2_048)]
    frames = [more / whole * 6 for more, whole in zip(lengths[15], lengths[0], strict=True)]
    assert 6 < frames[-1] < 6.1  # at full rate, where the work is
    assert frames == sorted(frames, reverse=True)


def test_the_layout_of_weights_changes_nothing(codec: FireflyCodec) -> None:
    expected = golden(FIREFLY)
    other = load_firefly(FIREFLY / "model.pth", "cpu")
    set_layout(other.network, torch.device("cuda"))
    weights = [network.head.conv_pre.conv.weight for network in (codec.network, other.network)]
    assert weights[0].stride() != weights[1].stride()
    assert torch.equal(*weights)
    assert difference(other.decode(expected["rand_codes"]), expected["rand_decoded"][:, 0]) < 1e-6


def test_context_of_other_sizes_follows_from_the_layers() -> None:
    plain = HiFiGanSize(
        hop_length=4,
        upsample_rates=(4,),
        upsample_kernel_sizes=(4,),
        resblock_kernel_sizes=(1,),
        resblock_dilation_sizes=((1,),),
        pre_conv_kernel_size=1,
        post_conv_kernel_size=1,
    )
    assert left_context(QuantizerSize(downsample_factor=(2,)), plain) == 3  # six steps of the ConvNeXt block
    longer = plain.model_copy(update={"post_conv_kernel_size": 13})
    assert left_context(QuantizerSize(downsample_factor=(2,)), longer) == 5  # three more
    assert left_context(QuantizerSize(), HiFiGanSize()) == 15


def test_the_released_codec_has_the_released_parameters() -> None:
    with shapes_only():
        tensors = Firefly(FireflySize()).state_dict()
    normed = [name for name in tensors if name.startswith("head.") and name.endswith(".weight")]
    assert len(tensors) + len(normed) == 547  # two tensors for a weight that is normed
    extra = sum(tensors[name].shape[0] for name in normed)
    assert sum(tensor.numel() for tensor in tensors.values()) + extra == 47_065_218


@given(codes=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=8, max_size=8))
@settings(max_examples=settings.default.max_examples // 6)
def test_codes_outside_the_codebook_are_taken_as_the_nearest(codec: FireflyCodec, codes: list[int]) -> None:
    given = torch.tensor(codes, dtype=torch.int32)[None, :, None]
    assert torch.equal(codec.decode(given), codec.decode(given.clamp(0, 999)))


@pytest.mark.parametrize("samples", [769, 1_000, 2_047, 2_048, 2_049, 4_095, 4_096, 6_000])
def test_recordings_of_any_length_have_codes(codec: FireflyCodec, samples: int) -> None:
    audio = torch.sin(torch.arange(samples) / 20)
    codes = codec.encode(audio)
    assert codes.shape == (8, -(-(samples // 512) // 4))
    assert codec.full_frames(samples) == samples // FRAME <= codes.shape[1]


@pytest.mark.parametrize("samples", [0, 1, 511, 768])
def test_a_recording_that_is_too_short_is_refused(codec: FireflyCodec, samples: int) -> None:
    with pytest.raises(ValueError, match=f"{samples} samples is too short: the codec needs at least 769"):
        codec.encode(torch.zeros(samples))
    assert codec.shortest_samples == 769


@pytest.mark.parametrize(
    "audio",
    [
        torch.zeros(1, 4_096),
        torch.zeros(4_096, dtype=torch.int16),
        torch.full((4_096,), torch.nan),
        torch.full((4_096,), torch.inf),
        torch.full((4_096,), 1e20),
    ],
    ids=["two dimensions", "integers", "nan", "infinite", "far too loud"],
)
def test_what_is_no_audio_is_refused(codec: FireflyCodec, audio: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="Audio"):
        codec.encode(audio)


@pytest.mark.parametrize(
    "codes",
    [torch.zeros(8, 4, dtype=torch.int32), torch.zeros(1, 7, 4, dtype=torch.int32), torch.zeros(1, 8, 4)],
    ids=["two dimensions", "seven codebooks", "floats"],
)
def test_what_are_no_codes_is_refused(codec: FireflyCodec, codes: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="Codes"):
        codec.decode(codes)


def test_no_frames_are_no_samples(codec: FireflyCodec) -> None:
    assert codec.decode(torch.zeros(2, 8, 0, dtype=torch.int32)).shape == (2, 0)
    assert codec.decode(torch.zeros(0, 8, 3, dtype=torch.int32)).shape == (0, 3 * FRAME)


def test_context_can_be_all_but_not_more(codec: FireflyCodec) -> None:
    codes = torch.zeros(2, 8, 3, dtype=torch.int32)
    assert codec.decode(codes, context=3).shape == (2, 0)
    for context in (4, -1):
        with pytest.raises(ValueError, match=f"context cannot be {context} of 3 frames"):
            codec.decode(codes, context=context)


def test_conditions_change_nothing_but_have_to_fit(codec: FireflyCodec) -> None:
    codes = golden(FIREFLY)["rand_codes"]
    assert torch.equal(codec.decode(codes, [Condition(seed=5)]), codec.decode(codes))
    with pytest.raises(ValueError, match="2 conditions for 1 items"):
        codec.decode(codes, [Condition()] * 2)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-3), (torch.float16, 5e-4)])
def test_narrow_types_decode_nearly_the_same_and_encode_the_same(dtype: torch.dtype, tolerance: float) -> None:
    expected = golden(FIREFLY)
    codec = load_firefly(FIREFLY / "model.pth", "cpu").to("cpu", dtype)
    sound = codec.decode(expected["rand_codes"])
    assert sound.dtype == torch.float32
    assert 0 < difference(sound, expected["rand_decoded"][:, 0]) < tolerance
    assert torch.equal(codec.encode(expected["audio"][0, 0]), expected["codes_single"][0])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"backbone": {"input_channels": 80}}, "backbone.input_channels has to be spec_transform.n_mels"),
        ({"head": {"num_mels": 256}}, "head.num_mels have to be equal"),
        ({"sample_rate": 16_000}, "sample_rate differs"),
        ({"quantizer": {"n_groups": 7}}, "input_dim has to be a multiple of n_groups"),
        ({"head": {"upsample_rates": [8, 8]}}, "differ in length"),
        ({"head": {"colour": "red"}}, "colour"),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FireflySize.model_validate(change)
