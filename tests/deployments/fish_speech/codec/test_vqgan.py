"""The codec of version 1.1 beside the original's arrays; noise and seeds; lengths."""

import pytest
import torch

from deployments.fish_speech.codec.codec import Codec, Condition
from deployments.fish_speech.v11.vqgan import VQGANCodec, VQGANSize, load_vqgan
from tests.deployments.fish_speech.codec.support import VQGAN, difference, golden

FRAME = 2_048


@pytest.fixture(scope="module")
def codec() -> VQGANCodec:
    return load_vqgan(VQGAN / "model.pth", VQGAN / "vocoder.ckpt", "cpu")


def test_it_is_a_codec_of_the_released_form(codec: VQGANCodec) -> None:
    as_protocol: Codec = codec
    assert (as_protocol.sample_rate, as_protocol.frame_samples, as_protocol.codebooks) == (44_100, FRAME, 2)
    assert (as_protocol.codebook_entries, as_protocol.left_context) == (1_000, None)


@torch.inference_mode()
def test_codes_are_the_originals(codec: VQGANCodec) -> None:
    expected, network = golden(VQGAN), codec.network
    frames = expected["audio_lengths"] // 512
    own = torch.arange(58) < frames[:, None, None]
    features = network.encoder(expected["encode_mel_raw"] * own) * own
    assert difference(features, expected["encoder_masked"]) < 1e-4
    mel = codec.recordings.spectrogram(expected["audio"][:, 0])
    assert torch.equal(network.encode(mel, frames), expected["codes"])
    assert torch.equal(codec.encode(expected["audio"][0, 0]), expected["codes"][0])
    assert codec.encode(expected["audio"][0, 0]).dtype == torch.int32


@torch.inference_mode()
def test_sound_is_the_originals(codec: VQGANCodec) -> None:
    expected = golden(VQGAN)
    codes, noise = expected["rand_codes"], expected["decoder_noise"]
    assert difference(codec.network.quantizer.decode(codes), expected["quantizer_decode"]) < 1e-4
    assert difference(codec.network.decode(codes, noise), expected["decoded_mel"]) < 1e-4
    assert difference(codec.vocoder(expected["decoded_mel"]), expected["decoded_audio"][:, 0]) < 1e-5
    assert difference(codec.decode(codes, noise=noise), expected["decoded_audio"][:, 0]) < 1e-5


def test_a_batch_sounds_like_each_alone(codec: VQGANCodec) -> None:
    codes = torch.randint(0, 1_032, (3, 2, 7), generator=torch.Generator().manual_seed(1))
    conditions = [Condition(seed=seed) for seed in (5, 2**62, 5)]
    together = codec.decode(codes, conditions)
    assert together.shape == (3, 7 * FRAME)
    for item, condition in enumerate(conditions):
        alone = codec.decode(codes[item : item + 1], [condition])
        assert difference(alone[0], together[item]) < 1e-6


def test_context_is_left_out_of_the_sound(codec: VQGANCodec) -> None:
    codes = golden(VQGAN)["rand_codes"]
    assert torch.equal(codec.decode(codes, context=5), codec.decode(codes)[:, 5 * FRAME :])
    assert codec.decode(codes, context=12).shape == (1, 0)


def test_a_seed_is_a_sound(codec: VQGANCodec) -> None:
    codes = golden(VQGAN)["rand_codes"]
    first, again, other = (codec.decode(codes, [Condition(seed=seed)]) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert difference(first, other) > 1e-5
    assert torch.equal(codec.decode(codes), codec.decode(codes, [Condition()]))
    torch.manual_seed(99)  # the generator of everybody is left alone
    state = torch.random.get_rng_state()
    codec.decode(codes)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_codes_outside_the_codebook_are_taken_as_the_nearest(codec: VQGANCodec) -> None:
    codes = torch.tensor([[[0, 999, 1_031, 5_000], [-3, 1_000, 7, 7]]])
    assert torch.equal(codec.decode(codes), codec.decode(codes.clamp(0, 999)))


@pytest.mark.parametrize("samples", [2_048, 2_049, 4_095, 4_096, 30_000])
def test_recordings_have_as_many_codes_as_whole_frames(codec: VQGANCodec, samples: int) -> None:
    codes = codec.encode(torch.sin(torch.arange(samples) / 20))
    assert codes.shape == (2, samples // FRAME)
    assert codec.full_frames(samples) == samples // FRAME


@pytest.mark.parametrize("samples", [0, 769, 2_047])
def test_a_recording_that_is_too_short_is_refused(codec: VQGANCodec, samples: int) -> None:
    with pytest.raises(ValueError, match=f"{samples} samples is too short: the codec needs at least 2048"):
        codec.encode(torch.zeros(samples))


def test_no_frames_are_no_samples(codec: VQGANCodec) -> None:
    assert codec.decode(torch.zeros(2, 2, 0, dtype=torch.int32)).shape == (2, 0)
    assert codec.decode(torch.zeros(0, 2, 3, dtype=torch.int32)).shape == (0, 3 * FRAME)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 3e-3), (torch.float16, 5e-4)])
def test_narrow_types_decode_nearly_the_same_and_encode_the_same(dtype: torch.dtype, tolerance: float) -> None:
    expected = golden(VQGAN)
    codec = load_vqgan(VQGAN / "model.pth", VQGAN / "vocoder.ckpt", "cpu").to("cpu", dtype)
    sound = codec.decode(expected["rand_codes"], noise=expected["decoder_noise"])
    assert sound.dtype == torch.float32
    assert 0 < difference(sound, expected["decoded_audio"][:, 0]) < tolerance
    assert torch.equal(codec.encode(expected["audio"][0, 0]), expected["codes"][0])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"encoder": {"input_channels": 80}}, "encoder.input_channels has to be encode_mel.n_mels"),
        ({"encoder": {"input_channels": 128, "residual_channels": 32}}, "have to be equal"),
        ({"decoder": {"output_channels": 128}}, "decoder.condition_channels has to be quantizer.input_dim"),
        ({"vocoder_head": {"num_mels": 40}}, "vocoder_head.num_mels have to be equal"),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        VQGANSize.model_validate(change)
