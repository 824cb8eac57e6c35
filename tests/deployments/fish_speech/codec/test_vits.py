"""The VITS decoder of version 1.1 beside the original's arrays; texts and speakers in a batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from deployments.fish_speech.codec.codec import Codec, Condition
from deployments.fish_speech.v11.vits import NOISE_SCALE, VITSCodec, VITSNetwork
from deployments.fish_speech.v11.vits_size import SynthesizerSize, VITSSize
from deployments.layers.relative_attention import WINDOW, RelativeAttention
from deployments.layers.state_dict import build, read_state_dict, shapes_only
from tests.deployments.fish_speech.codec.support import VITS, VQGAN, difference, golden, small_vits

FRAME = 2_048
ALL_SEEN = torch.ones(1, 1, 13, dtype=torch.bool)


@pytest.fixture(scope="module")
def synthesizer() -> VITSNetwork:
    size = SynthesizerSize.model_validate_json((VITS / "synthesizer.json").read_bytes())
    path = VITS / "model.ckpt"
    return build(VITSNetwork, size, state=read_state_dict(path), source=path)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> VITSCodec:
    return small_vits(tmp_path_factory.mktemp("vits"))


@torch.inference_mode()
def test_every_part_gives_the_originals_arrays(synthesizer: VITSNetwork) -> None:
    expected = golden(VITS)
    speaker = synthesizer.ref_enc(expected["ref_spec"])
    assert difference(speaker, expected["ge"]) < 1e-4
    mean, log_deviation = synthesizer.enc_p(expected["quantized"], expected["text"], ALL_SEEN, expected["ge"])
    assert difference(mean, expected["enc_p_m"]) < 1e-4
    assert difference(log_deviation, expected["enc_p_logs"]) < 1e-4
    z_p = mean + expected["noise"] * torch.exp(log_deviation) * NOISE_SCALE
    assert difference(z_p, expected["z_p"]) < 1e-4
    assert difference(synthesizer.flow(expected["z_p"], expected["ge"]), expected["z"]) < 1e-4
    assert difference(synthesizer.dec(expected["z"], expected["ge"]), expected["audio"][:, 0]) < 1e-4


@torch.inference_mode()
def test_sound_is_the_originals_with_and_without_a_speaker(synthesizer: VITSNetwork) -> None:
    expected = golden(VITS)
    for speaker, audio in ((expected["ge"], "audio"), (torch.zeros_like(expected["ge"]), "audio_zero_ge")):
        sound = synthesizer(expected["quantized"], expected["text"], ALL_SEEN, speaker, expected["noise"])
        assert difference(sound, expected[audio][:, 0]) < 1e-4


@torch.inference_mode()
def test_padding_of_a_text_changes_nothing(synthesizer: VITSNetwork) -> None:
    expected = golden(VITS)
    padded = torch.cat([expected["text"], torch.full((1, 9), 5)], 1)
    seen = torch.arange(22)[None, None] < 13
    sound = synthesizer(expected["quantized"], padded, seen, expected["ge"], expected["noise"])
    assert difference(sound, expected["audio"][:, 0]) < 1e-5


@pytest.mark.parametrize("time", [1, 2, 4, 5, 9, 20])
@torch.inference_mode()
def test_relative_positions_are_those_of_the_plain_sum(time: int) -> None:
    torch.manual_seed(time)
    attention = RelativeAttention(8, 2, WINDOW)
    for parameter in attention.parameters():
        parameter.normal_()
    x = torch.randn(1, 8, time)
    query, key, value = (
        conv(x)[0].view(2, 4, time) for conv in (attention.conv_q, attention.conv_k, attention.conv_v)
    )
    mixed = torch.zeros(2, 4, time)
    for head in range(2):
        for i in range(time):
            scores = torch.stack(
                [
                    query[head, :, i] @ (key[head, :, j] + _relative(attention.emb_rel_k, j - i)) / 2
                    for j in range(time)
                ]
            )
            for j, weight in enumerate(scores.softmax(0)):
                mixed[head, :, i] += weight * (value[head, :, j] + _relative(attention.emb_rel_v, j - i))
    expected = attention.conv_o(mixed.view(1, 8, time))
    attended = attention(x, x, torch.ones(1, 1, time, dtype=torch.bool))
    assert difference(attended, expected) < 1e-4


def _relative(table: Tensor, distance: int) -> Tensor:
    return table[0, distance + WINDOW] if abs(distance) <= WINDOW else torch.zeros(table.shape[-1])


def test_it_is_a_codec_of_the_released_form(codec: VITSCodec) -> None:
    as_protocol: Codec = codec
    assert (as_protocol.sample_rate, as_protocol.frame_samples, as_protocol.codebooks) == (44_100, FRAME, 2)
    assert (as_protocol.codebook_entries, as_protocol.left_context) == (1_000, None)


def test_it_encodes_as_the_vqgan_whose_encoder_it_has(codec: VITSCodec) -> None:
    expected = golden(VQGAN)
    assert torch.equal(codec.encode(expected["audio"][0, 0]), expected["codes"][0])
    assert codec.full_frames(30_000) == 14
    with pytest.raises(ValueError, match="2047 samples is too short"):
        codec.encode(torch.zeros(2_047))


def test_a_batch_sounds_like_each_alone(codec: VITSCodec) -> None:
    recording = golden(VQGAN)["audio"][0, 0]
    speaker = codec.speaker_embedding(recording)
    assert speaker.shape == (24,)
    codes = torch.randint(0, 1_032, (3, 2, 6), generator=torch.Generator().manual_seed(1))
    conditions = [
        Condition(seed=1, text=torch.tensor([3, 4, 5])),
        Condition(seed=2, text=torch.arange(40, dtype=torch.int32), speaker=speaker),
        Condition(seed=3, text=torch.tensor([263])),
    ]
    together = codec.decode(codes, conditions)
    assert together.shape == (3, 6 * FRAME)
    for item, condition in enumerate(conditions):
        assert difference(codec.decode(codes[item : item + 1], [condition])[0], together[item]) < 1e-6


def test_seed_text_and_speaker_are_heard(codec: VITSCodec) -> None:
    codes = torch.randint(0, 1_000, (1, 2, 4), generator=torch.Generator().manual_seed(2))
    text, speaker = torch.tensor([9, 8, 7]), codec.speaker_embedding(golden(VQGAN)["audio"][0, 0])
    plain = codec.decode(codes, [Condition(seed=1, text=text)])
    assert torch.equal(plain, codec.decode(codes, [Condition(seed=1, text=text, speaker=torch.zeros(24))]))
    for changed in (
        Condition(seed=2, text=text),
        Condition(seed=1, text=text[:2]),
        Condition(seed=1, text=text, speaker=speaker),
    ):
        assert difference(codec.decode(codes, [changed]), plain) > 1e-5


def test_noise_can_be_given(codec: VITSCodec) -> None:
    codes = torch.zeros(1, 2, 4, dtype=torch.int32)
    noise = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(77))
    drawn = codec.decode(codes, [Condition(seed=77, text=torch.tensor([1]))])
    given = codec.decode(codes, [Condition(seed=1, text=torch.tensor([1]))], noise=noise)
    assert difference(drawn, given) < 1e-6


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (Condition(), "needs the text"),
        (Condition(text=torch.zeros(0, dtype=torch.int64)), "needs the text"),
        (Condition(text=torch.zeros(1, 3, dtype=torch.int64)), "needs the text"),
        (Condition(text=torch.tensor([264])), "from 0 to 263"),
        (Condition(text=torch.tensor([-1])), "from 0 to 263"),
        (Condition(text=torch.tensor([1]), speaker=torch.zeros(1, 24)), r"shape \(24,\)"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(codec: VITSCodec, condition: Condition, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        codec.decode(torch.zeros(1, 2, 3, dtype=torch.int32), [condition])


def test_codes_outside_the_codebook_are_taken_as_the_nearest(codec: VITSCodec) -> None:
    codes = torch.tensor([[[0, 999, 1_031], [-3, 1_000, 7]]])
    conditions = [Condition(text=torch.tensor([1]))]
    assert torch.equal(codec.decode(codes, conditions), codec.decode(codes.clamp(0, 999), conditions))


def test_no_frames_are_no_samples(codec: VITSCodec) -> None:
    assert codec.decode(torch.zeros(2, 2, 0, dtype=torch.int32)).shape == (2, 0)
    assert codec.decode(torch.zeros(0, 2, 3, dtype=torch.int32)).shape == (0, 3 * FRAME)


def test_bfloat16_decodes_nearly_the_same_and_hears_speakers_the_same(tmp_path: Path, codec: VITSCodec) -> None:
    narrow = small_vits(tmp_path).to("cpu", torch.bfloat16)
    recording = golden(VQGAN)["audio"][0, 0]
    speaker = codec.speaker_embedding(recording)
    assert torch.equal(narrow.speaker_embedding(recording), speaker)
    assert torch.equal(narrow.encode(recording), codec.encode(recording))
    conditions = [Condition(text=torch.tensor([1, 2]), speaker=speaker)]
    codes = torch.zeros(1, 2, 4, dtype=torch.int32)
    wide, rounded = codec.decode(codes, conditions), narrow.decode(codes, conditions)
    assert rounded.dtype == torch.float32
    error = float((rounded - wide).norm() / wide.norm())
    assert 0 < error < 0.1


def test_sizes_of_the_released_decoder_fit_each_other() -> None:
    with shapes_only():
        tensors = VITSNetwork(VITSSize().synthesizer).state_dict()
    assert tensors["enc_p.text_embedding.weight"].shape == (264, 192)
    assert tensors["enc_p.mrte.c_pre.weight"].shape == (512, 192, 1)
    assert tensors["ref_enc.spectral.0.fc.weight"].shape == (128, 1_025)
    assert tensors["dec.ups.2.weight"].shape == (128, 64, 8)
    assert len({name.split(".")[2] for name in tensors if name.startswith("enc_p.encoder2.attn_layers")}) == 1
    with pytest.raises(ValueError, match="ssl_dim has to be"):
        VITSSize.model_validate({"synthesizer": {"ssl_dim": 32}})
