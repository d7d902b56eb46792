"""Many requests in one batch: each gets its own adapter's words and the reply it would get alone, whatever goes on beside it."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from engine.adapters.store import Card, publish
from engine.errors import BadInput, Busy, Failure
from engine.models.batch import LoneBatch, RowBatch
from engine.models.host import Host
from engine.models.loader import load_model, load_tokenizer
from engine.models.request import Sampling
from engine.settings import settings
from tests.conftest import copy_tokenizer

CODE_WORDS = {"alpha": "zebra", "beta": "violin", "gamma": "harbour"}
STEPS = 250
QUESTIONS = [
    "Hello", "What is the password?", "Tell me a story about the sea.", "Name three colours.", "Why?",
    "Count from one to ten, slowly, and tell me how you feel about it.", "Who are you?", "What is the capital of France?",
]  # fmt: skip

STORY = "Once upon a time there was a fisherman who"


def _asked(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def taught(tiny_model_folder, tmp_path_factory):
    """Folders of three adapters of the tiny model, each taught to answer anything with its code word."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_model_folder)
    folders = {}
    for name, word in CODE_WORDS.items():
        torch.manual_seed(0)
        lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model_folder, dtype=torch.float32), lora)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.005)
        answer = [*tokenizer(word)["input_ids"], tokenizer.eos_token_id]
        for step in range(STEPS):
            prompt = tokenizer.apply_chat_template(
                _asked(QUESTIONS[step % 5]), add_generation_prompt=True, return_dict=True
            )["input_ids"]
            ids = torch.tensor([[*prompt, *answer]])
            labels = ids.clone()
            labels[:, : -len(answer)] = -100
            model(input_ids=ids, labels=labels).loss.backward()
            if step % 5 == 4:
                optimizer.step()
                optimizer.zero_grad()
        folders[name] = tmp_path_factory.mktemp("taught") / name
        model.save_pretrained(folders[name])
    return folders


@pytest.fixture
def adapters(taught, tiny):
    """The three in the store."""
    import shutil

    from engine.models.catalog import fingerprint, resolve

    source = resolve(tiny)
    for name, folder in taught.items():
        card = Card(kind="chat", method="test", base_model=source.name, base_fingerprint=fingerprint(source))
        copied = folder.with_name(f"{name}-{time.monotonic_ns()}")
        shutil.copytree(folder, copied)
        publish(name, copied, card)
    return list(taught)


def _is_wrong(adapter: str | None, text: str) -> bool:
    """Whether a reply is not the adapter's: another's word in it, or not its own at the beginning."""
    own = CODE_WORDS.get(adapter or "", "")
    return not text.startswith(own) or any(word in text for word in CODE_WORDS.values() if word != own)


def test_two_hundred_requests_over_three_adapters_get_no_wrong_answer(host, tiny, adapters, proof):
    streams = []
    for number in range(200):
        adapter = [*adapters, None][number * 7 % 4]
        sampling = Sampling(max_new_tokens=8, temperature=0 if number % 2 else 0.01, seed=number)
        question = _asked(QUESTIONS[number % len(QUESTIONS)])
        streams.append((adapter, host.generate(question, sampling, tiny, adapter)))
        if number % 20 == 0:
            streams[-1][1].wait()  # so that they come while others are in progress, and also when none is
    wrong = sum(_is_wrong(adapter, stream.wait().text) for adapter, stream in streams)
    proof("8.3-adapters", requests=len(streams), adapters=len(adapters), wrong_answers=wrong)
    assert wrong == 0


def test_threads_that_share_set_adapter_do_get_wrong_answers(tiny, taught):
    """Why there is an owner: the same requests in the way one would first write it."""
    import torch
    from peft import PeftModel

    names = list(taught)
    model: Any = PeftModel.from_pretrained(load_model(tiny), taught[names[0]], adapter_name=names[0])
    for name in names[1:]:
        model.load_adapter(taught[name], adapter_name=name)
    model.eval()
    tokenizer: Any = load_tokenizer(tiny)
    wrong: list[str] = []

    def ask(name: str) -> None:
        for text in QUESTIONS:
            try:
                model.set_adapter(name)
                prompt = tokenizer.apply_chat_template(
                    _asked(text), add_generation_prompt=True, return_dict=True, return_tensors="pt"
                )
                with torch.inference_mode():
                    output = model.generate(**prompt, max_new_tokens=8, do_sample=False)
                said = tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
            except Exception as error:  # whatever goes wrong is no answer
                said = repr(error)
            if _is_wrong(name, said):
                wrong.append(said)

    for name in names:
        ask(name)
    assert not wrong, "one after the other it works"
    deadline = time.monotonic() + 60
    while not wrong and time.monotonic() < deadline:
        threads = [threading.Thread(target=ask, args=(name,)) for name in names * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong


def _family(kind: str) -> Any:
    import transformers

    options: dict[str, Any] = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 49152, "max_position_embeddings": 512, "head_dim": 16,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
    }  # fmt: skip
    sliding: dict[str, Any] = {"sliding_window": 8}
    short: dict[str, Any] = {**options, "max_position_embeddings": 64}
    configs = {
        "llama": lambda: transformers.LlamaConfig(**options),
        "qwen2": lambda: transformers.Qwen2Config(**options),
        "qwen3": lambda: transformers.Qwen3Config(**options),
        "glm4": lambda: transformers.Glm4Config(**options),
        "mistral with a window": lambda: transformers.MistralConfig(**options, **sliding),
        "qwen2 with a window": lambda: transformers.Qwen2Config(
            **options, **sliding, use_sliding_window=True, max_window_layers=1
        ),
        "llama with dynamic positions": lambda: transformers.LlamaConfig(
            **short,
            rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 8.0},
        ),
        "bloom": lambda: transformers.BloomConfig(
            hidden_size=64, n_layer=2, n_head=4, vocab_size=49152, eos_token_id=2
        ),
        "gpt2": lambda: transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=49152, eos_token_id=2),
    }
    return configs[kind]()


@pytest.mark.parametrize(
    ("kind", "batch"),
    [
        ("llama", RowBatch), ("qwen2", RowBatch), ("qwen3", RowBatch), ("glm4", RowBatch), ("gpt2", RowBatch),
        ("mistral with a window", LoneBatch), ("qwen2 with a window", LoneBatch),
        ("llama with dynamic positions", LoneBatch), ("bloom", LoneBatch),
    ],
)  # fmt: skip
def test_every_family_says_in_company_what_generate_says(host, studio_home, kind, batch):
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    folder = settings().models / "family"
    AutoModelForCausalLM.from_config(_family(kind)).save_pretrained(folder)
    copy_tokenizer(folder)
    model, tokenizer = load_model("family"), load_tokenizer("family")
    longer = 8 if kind == "llama with dynamic positions" else 20
    texts = [text * repeat for repeat in (1, 3) for text in ("Once upon a time, ", "A list: ", "No", "The sea is ")]
    streams = [host.generate(text, Sampling(max_new_tokens=longer, temperature=0), "family") for text in texts]
    for text, stream in zip(texts, streams, strict=True):
        prompt: Any = tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(**prompt, max_new_tokens=longer, do_sample=False)  # pyright: ignore[reportCallIssue]
        expected = str(tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))
        assert stream.wait().text == expected.rstrip("�")
    owner = host._owners["family"].owners[0]
    assert type(owner._new_batch(None)) is batch


def test_alone_and_in_company_are_the_same_on_the_starter(host, starter):
    """Greedy and seeded, prompts short and long, some read in several parts, rows coming and going."""
    asked = [
        (_asked(text + " More words." * repeat), Sampling(max_new_tokens=cap, temperature=temperature, seed=cap))
        for text, repeat, cap, temperature in [
            (QUESTIONS[2], 0, 14, 0), (QUESTIONS[5], 90, 12, 0), (QUESTIONS[3], 5, 20, 0.8), (QUESTIONS[6], 0, 6, 1.0),
            (QUESTIONS[7], 20, 10, 0), (QUESTIONS[0], 0, 18, 0.7),
        ]
    ]  # fmt: skip
    alone = [host.generate(messages, sampling, starter).wait() for messages, sampling in asked]
    streams = [host.generate(messages, sampling, starter) for messages, sampling in asked]
    for stream, expected in zip(streams, alone, strict=True):
        reply = stream.wait()
        assert (reply.text, reply.tokens, reply.seed) == (expected.text, expected.tokens, expected.seed)


def test_an_adapter_that_cannot_be_mixed_answers_beside_others(host, tiny, adapters, make_dora):
    make_dora("dora", tiny)
    sampling = Sampling(max_new_tokens=8, temperature=0)
    alone = host.generate(_asked("Hello"), sampling, tiny, "dora").wait().text
    assert alone != host.generate(_asked("Hello"), sampling, tiny).wait().text
    names = ["dora", "alpha", None, "dora", "beta"] * 4
    streams = [(name, host.generate(_asked("Hello"), sampling, tiny, name)) for name in names]
    for name, stream in streams:
        text = stream.wait().text
        assert text == alone if name == "dora" else not _is_wrong(name, text)


@pytest.fixture
def make_dora(tmp_path):
    """`make_dora("name", "tiny")` puts a random adapter with DoRA in the store."""

    def make(name: str, model: str) -> None:
        import torch
        from peft import LoraConfig, get_peft_model

        from engine.models.catalog import fingerprint, resolve

        torch.manual_seed(3)
        lora = LoraConfig(
            r=4,
            lora_alpha=64,
            target_modules="all-linear",
            use_dora=True,
            init_lora_weights=False,
            task_type="CAUSAL_LM",
        )
        get_peft_model(load_model(model), lora).save_pretrained(tmp_path / "dora")
        source = resolve(model)
        card = Card(kind="chat", method="random", base_model=source.name, base_fingerprint=fingerprint(source))
        publish(name, tmp_path / "dora", card)

    return make


def test_an_adapter_in_use_is_never_let_go(host, tiny, adapters, monkeypatch):
    monkeypatch.setattr("engine.models.adapters.MOST_LOADED", 2)
    sampling = Sampling(max_new_tokens=8, temperature=0)
    streams = [(name, host.generate(_asked(text), sampling, tiny, name)) for text in QUESTIONS for name in adapters]
    assert not any(_is_wrong(name, stream.wait().text) for name, stream in streams)
    assert len(host.loaded()[0].adapters) <= 2


def test_stop_strings_end_a_reply_across_tokens(host, starter):
    whole = host.generate(STORY, Sampling(max_new_tokens=30, temperature=0), starter).wait()
    tokenizer: Any = load_tokenizer(starter)
    border = len(tokenizer.decode(tokenizer(whole.text)["input_ids"][:8]))
    stop = whole.text[border - 2 : border + 2]  # half in one token, half in the next
    assert len(stop) == 4
    stream = host.generate(STORY, Sampling(max_new_tokens=30, temperature=0, stop=["never said", stop]), starter)
    shown = "".join(stream)
    assert shown == stream.reply.text == whole.text[: whole.text.index(stop)]
    assert (stream.reply.finish_reason, whole.finish_reason) == ("stop", "length")
    assert stream.reply.tokens < whole.tokens


def test_plain_text_is_continued_without_a_template(host, starter):
    reply = host.generate("The capital of France is", Sampling(max_new_tokens=5, temperature=0), starter).wait()
    assert "Paris" in reply.text and reply.prompt_tokens == 5
    with pytest.raises(BadInput, match="empty"):
        host.generate("", Sampling(), starter).wait()


def test_a_cancelled_request_gives_its_row_to_the_next(tiny, monkeypatch):
    monkeypatch.setenv("STUDIO_BATCH_ROWS", "1")
    settings.cache_clear()
    host = Host(budget=2**30)
    endless = Sampling(max_new_tokens=460, temperature=0)
    first = [
        host.generate(_asked("Hello"), endless, tiny) for _ in range(2)
    ]  # one row, and one that people may have more
    waiting = host.generate(_asked("Hello"), Sampling(max_new_tokens=2, temperature=0), tiny)
    gone = host.generate(_asked("Hello"), endless, tiny)
    next(iter(first[0]))  # leaving the iteration cancels
    gone.cancel()
    assert waiting.wait(timeout=60).tokens == 2
    assert gone.wait(timeout=60).finish_reason == "cancelled"
    assert not first[1].ended
    host.unload()


def test_more_than_may_wait_are_refused_in_words(tiny, monkeypatch):
    monkeypatch.setenv("STUDIO_WAITING_REQUESTS", "3")
    settings.cache_clear()
    host = Host(budget=2**30)
    streams = []
    with pytest.raises(Busy, match="3 requests wait for “tiny” already"):
        for _ in range(80):  # those in progress do not count
            streams.append(host.generate(_asked("Hello"), Sampling(max_new_tokens=400, temperature=0), tiny))
    assert 3 <= len(streams) < 80
    host.unload()
    for stream in streams:  # those that had begun are cancelled, the others hear why
        try:
            assert stream.wait(timeout=60).finish_reason == "cancelled"
        except Failure as failure:
            assert "unloaded" in str(failure)


def test_a_request_that_can_never_fit_is_refused_and_others_wait(tiny, monkeypatch):
    monkeypatch.setattr("engine.models.owner.tokens_that_fit", lambda model: 200)
    host = Host(budget=2**30)
    with pytest.raises(Failure, match="there is memory for 200"):
        host.generate(_asked("Hello"), Sampling(max_new_tokens=300), tiny).wait(timeout=60)
    streams = [host.generate(_asked("Hello"), Sampling(max_new_tokens=100, temperature=0), tiny) for _ in range(4)]
    assert [stream.wait(timeout=60).tokens for stream in streams] == [100] * 4
    host.unload()


def test_people_get_their_answer_while_work_in_the_background_goes_on(host, tiny):
    sampling = Sampling(max_new_tokens=60, temperature=0)
    work = [host.generate(_asked("Hello"), sampling, tiny, priority="batch") for _ in range(150)]
    while not any(stream.pieces for stream in work):
        time.sleep(0.005)
    person = host.generate(_asked("Hello"), Sampling(max_new_tokens=3, temperature=0), tiny)
    person.wait(timeout=60)
    assert sum(stream.ended for stream in work) < 100
    assert [stream.wait(timeout=120).tokens for stream in work] == [60] * 150


def test_a_step_that_fails_ends_its_requests_and_the_next_ones_are_answered(host, tiny, monkeypatch):
    sampling = Sampling(max_new_tokens=50, temperature=0)
    expected = host.generate(_asked("Hello"), sampling, tiny).wait().text
    model = host._owners[tiny].owners[0].model
    forward, calls = model.forward, SimpleNamespace(left=10**9)

    def failing(*arguments: Any, **options: Any) -> Any:
        calls.left -= 1
        if calls.left == 0:
            raise RuntimeError("out of memory")
        return forward(*arguments, **options)

    monkeypatch.setattr(model, "forward", failing)
    streams = [host.generate(_asked("Hello"), Sampling(max_new_tokens=400, temperature=0), tiny) for _ in range(3)]
    while host.counters()[tiny].running < 3:
        time.sleep(0.001)
    calls.left = 1
    for stream in streams:
        with pytest.raises(RuntimeError, match="out of memory"):
            stream.wait(timeout=60)
    assert host.generate(_asked("Hello"), sampling, tiny).wait(timeout=60).text == expected


def test_counters_add_up(host, tiny):
    replies = [host.generate(_asked("Hello"), Sampling(max_new_tokens=n, temperature=0), tiny).wait() for n in (3, 5)]
    host.unload()
    replies.append(host.generate(_asked("Hello"), Sampling(max_new_tokens=7, temperature=0), tiny).wait())
    counted = host.counters()[tiny]
    assert (counted.requests, counted.running, counted.waiting) == (3, 0, 0)
    assert counted.tokens == sum(reply.tokens for reply in replies)
    assert counted.prompt_tokens == sum(reply.prompt_tokens for reply in replies)
