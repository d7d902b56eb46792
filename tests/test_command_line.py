"""The command line as the README and the contracts promise it."""

from engine.settings import settings


def test_the_starter_knows_the_capital_of_france(studio, starter):
    code, answer, errors = studio(
        "chat", "What is the capital of France?", "--max-new-tokens", 16, "--temperature", 0, "--json"
    )  # fmt: skip
    assert (code, errors) == (0, "")
    assert "Paris" in answer["reply"]
    assert {"reply", "model", "adapter", "tokens", "seconds"} <= set(answer)
    assert (answer["model"], answer["adapter"]) == ("starter", None)


def test_the_same_words_for_a_person(studio, starter):
    code, words, _ = studio("chat", "What is the capital of France?", "--max-new-tokens", 16, "--temperature", 0)
    assert code == 0
    assert "Paris" in words


def test_a_system_prompt_and_a_seed(studio, tiny):
    arguments = ["chat", "Hi", "--model", tiny, "--system", "Be brief.", "--seed", 5, "--max-new-tokens", 8, "--json"]
    (_, first, _), (_, second, _) = studio(*arguments), studio(*arguments)
    assert first["reply"] == second["reply"]
    assert first["seed"] == 5


def test_doctor(studio, starter):
    code, document, _ = studio("doctor", "--json")
    assert code == 0
    assert {"versions", "devices", "starters", "writable"} <= set(document)
    assert {"chromadb", "sentence-transformers"} <= set(document["versions"])
    assert set(document["starters"]) == {"chat", "embedding", "image"}
    assert document["starters"]["chat"] is document["starters"]["embedding"] is True
    assert document["devices"][-1]["name"] == "cpu"
    assert all(document["writable"].values())
    placed = document["chat_placement"]
    assert placed["model"] == "starter" and placed["how"] and placed["places"] and placed["reason"]


def test_doctor_before_the_starter_is_there(studio):
    _, document, _ = studio("doctor", "--json")
    assert document["starters"]["chat"] is False
    assert document["chat_placement"]["how"] is None


def test_data_shapes(studio, starter, sample_dataset):
    _, prepared, errors = studio("data", "prepare", sample_dataset, "--max-length", 64, "--split", 0.2, "--json")
    assert {"name", "rows_in", "rows_kept", "dropped", "tokens", "path"} <= set(prepared), errors
    assert prepared["rows_in"] == prepared["rows_kept"] + sum(prepared["dropped"].values()) == 40
    _, listed, _ = studio("data", "list", "--json")
    _, shown, _ = studio("data", "show", sample_dataset, "--json")
    assert listed == [shown]
    assert studio("data", "delete", sample_dataset)[0] == 0
    assert studio("data", "list", "--json")[1] == []


def test_runs_and_adapters_are_empty_lists_at_first(studio):
    assert studio("runs", "list", "--json")[1] == []
    assert studio("adapters", "list", "--json")[1] == []


def test_a_preset_and_the_long_names(studio, tiny, sample_dataset, tmp_path):
    preset = tmp_path / "fast.yaml"
    preset.write_text("max_steps: 2\nrank: 4\nlearning_rate: 0.01\n")
    code, document, errors = studio(
        "train", "sft", "--dataset_path", sample_dataset, "--adapter", "a", "--model", tiny, "--preset", preset,
        "--lora_rank", 2, "--per_device_train_batch_size", 1, "--gradient_accumulation_steps", 2, "--wait", "--json",
    )  # fmt: skip
    assert code == 0, errors
    assert document["step"] == 2
    assert "--rank 2" in document["command"] and "--learning-rate 0.01" in document["command"]
    assert settings().lora_store.joinpath("a", "studio.json").exists()
    _, shown, _ = studio("runs", "show", document["run"], "--json")
    assert shown == document
    _, listed, _ = studio("adapters", "show", "a", "--json")
    assert (listed["rank"], listed["run"]) == (2, document["run"])
