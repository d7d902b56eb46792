"""Folders and zips become files: nothing in a zip can leave it, whatever is not taken says why, and the rest goes in."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.knowledge.loaders import archives, load, packages
from engine.knowledge.loaders.archives import Found, expand
from tests.engine.knowledge.papers import locked_pdf, pdf, zipped


@pytest.fixture
def into(tmp_path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


def taken(found: list[Found]) -> dict[str, str]:
    """What was taken, by name."""
    return {one.name: one.path.read_text() for one in found if one.path}


def reasons(found: list[Found]) -> dict[str, str]:
    """Why the others were not."""
    assert all((one.path is None) == (one.reason is not None) for one in found)
    return {one.name: str(one.reason) for one in found if one.reason}


def written(path: Path, content: str | bytes = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_files_are_given_as_they_are(tmp_path, into):
    one, other = written(tmp_path / "说明.txt"), written(tmp_path / "b.exe")
    found = list(expand([one, other, tmp_path / "none.pdf"], into))
    assert found[0] == Found("说明.txt", one)
    assert ".pdf .docx" in reasons(found)["b.exe"] and "There is no file" in reasons(found)["none.pdf"]


def test_a_folder_gives_its_files_without_what_is_hidden_or_leaves_it(tmp_path, into):
    folder = tmp_path / "docs"
    for name in ("b.txt", "sub/a.md", "sub/deep/c.txt", ".git/x.txt", "sub/.hidden.txt", "~$b.docx", "Thumbs.db"):
        written(folder / name, name)
    secret = written(tmp_path / "secret.txt", "secret")
    (folder / "leaves.txt").symlink_to(secret)
    (folder / "out").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    (folder / "same.txt").symlink_to(folder / "b.txt")
    found = list(expand([folder], into))
    assert taken(found) == {
        "b.txt": "b.txt",
        "same.txt": "b.txt",
        "sub/a.md": "sub/a.md",
        "sub/deep/c.txt": "sub/deep/c.txt",
    }
    assert reasons(found) == {}


def test_a_zip_in_a_folder_is_unpacked_under_its_name(tmp_path, into):
    zipped(written(tmp_path / "docs" / "sub" / "a.zip"), {"x/b.txt": "one"})
    assert taken(list(expand([tmp_path / "docs"], into))) == {"sub/a.zip/x/b.txt": "one"}


def test_an_empty_folder_and_an_empty_zip_say_so(tmp_path, into):
    (tmp_path / "empty").mkdir()
    found = list(expand([tmp_path / "empty", zipped(tmp_path / "a.zip", {})], into))
    assert reasons(found) == {"empty": "The folder “empty” holds no documents.", "a.zip": "“a.zip” holds no documents."}


def linked(path: Path, name: str, target: str, mode: int = stat.S_IFLNK) -> None:
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, (mode | 0o777) << 16
    with zipfile.ZipFile(path, "a") as package:
        package.writestr(member, target)


def test_members_that_leave_the_zip_are_left_out_and_the_rest_goes_in(tmp_path, into):
    bad = ["../up.txt", "a/../../up.txt", "/etc/abs.txt", "C:/abs.txt", "..\\up.txt", "\\\\host\\share.txt"]
    path = zipped(
        tmp_path / "a.zip",
        {**dict.fromkeys(bad, "evil"), "good.txt": "good", "sub/也好.md": "too", "__MACOSX/._good.txt": "x"},
    )
    linked(path, "link.txt", "/etc/passwd")
    linked(path, "pipe.txt", "", stat.S_IFIFO)
    before = sorted(tmp_path.iterdir())
    found = list(expand([path], into))
    assert taken(found) == {"good.txt": "good", "sub/也好.md": "too"}
    why = reasons(found)
    assert set(why) == {name.replace("\\", "/") for name in bad} | {"link.txt", "pipe.txt"}
    assert all(
        "leads out of its zip" in sentence
        for name, sentence in why.items()
        if "abs" in name or "up" in name or "host" in name
    )
    assert "is a link" in why["link.txt"] and "is a link" in why["pipe.txt"]
    assert (
        sorted(path.name for path in into.iterdir()) == ["0001.txt", "0002.md"] and sorted(tmp_path.iterdir()) == before
    )


def test_members_of_unknown_kinds_zips_in_zips_and_empty_ones_say_why(tmp_path, into):
    inner = zipped(tmp_path / "inner.zip", {"a.txt": "x"}).read_bytes()
    path = zipped(
        tmp_path / "a.zip",
        {"in.zip": inner, "a.exe": "x", "a.doc": "x", "noending": "x", "empty.txt": "", "good.txt": "good"},
    )
    found = list(expand([path], into))
    why = reasons(found)
    assert taken(found) == {"good.txt": "good"} and set(why) == {"in.zip", "a.exe", "a.doc", "noending", "empty.txt"}
    assert (
        "zip inside a zip" in why["in.zip"]
        and ".pdf" in why["a.exe"]
        and "old Office" in why["a.doc"]
        and "is empty" in why["empty.txt"]
    )


def with_raw_names(path: Path, members: dict[bytes, str]) -> Path:
    """A zip whose names are these bytes, without a word on their encoding."""
    names = {chr(ord("A") + number) * len(name): name for number, name in enumerate(members)}
    assert len(names) == len(members)
    zipped(path, dict(zip(names, members.values(), strict=True)))
    content = path.read_bytes()
    for name, raw in names.items():
        content = content.replace(name.encode(), raw)
    path.write_bytes(content)
    return path


def test_chinese_names_are_right_whatever_packed_them(tmp_path, into):
    names = ["资料/北京分公司通讯录.txt", "臺灣繁體說明文件.txt", "年度报告 2024（终稿）.md"]
    raw: dict[bytes, str] = {
        names[0].encode("gbk"): "0",
        names[1].encode("gb18030"): "1",
        names[2].encode("utf-8"): "2",
    }
    assert list(taken(list(expand([with_raw_names(tmp_path / "a.zip", raw)], into)))) == names
    marked = zipped(tmp_path / "b.zip", dict.fromkeys(names, "x"))
    assert list(taken(list(expand([marked], into)))) == names


def test_western_names_and_backslashes_of_old_programs_are_right(tmp_path, into):
    raw = {"résumé of the year.txt".encode("cp437"): "a", "目录名\\文件名称.txt".encode("gbk"): "b"}
    assert list(taken(list(expand([with_raw_names(tmp_path / "a.zip", raw)], into)))) == [
        "résumé of the year.txt",
        "目录名/文件名称.txt",
    ]


def test_a_name_with_control_signs_is_shown_clean(tmp_path, into):
    assert [one.name for one in expand([zipped(tmp_path / "a.zip", {"a\x1b[31m\nb.txt": "x"})], into)] == [
        "a[31m b.txt"
    ]


def edited(path: Path, offset: int, change: int, name: bytes) -> None:
    """Change a number in the list entry and the local header of one member."""
    content = bytearray(path.read_bytes())
    listed = content.index(b"PK\x01\x02")
    while content[listed + 46 : listed + 46 + len(name)] != name:
        listed = content.index(b"PK\x01\x02", listed + 4)
    local = content.index(b"PK\x03\x04")
    while content[local + 30 : local + 30 + len(name)] != name:
        local = content.index(b"PK\x03\x04", local + 4)
    size = "<H" if offset < 12 else "<I"
    struct.pack_into(size, content, listed + offset, change)
    struct.pack_into(size, content, local + offset - 2, change)
    path.write_bytes(content)


def test_locked_and_strangely_packed_members_say_why(tmp_path, into):
    path = zipped(tmp_path / "a.zip", {"locked.txt": "x" * 50, "odd.txt": "y" * 50, "good.txt": "good"})
    edited(path, 8, 1, b"locked.txt")  # general purpose flags
    edited(path, 10, 97, b"odd.txt")  # WavPack
    found = list(expand([path], into))
    assert taken(found) == {"good.txt": "good"} and set(reasons(found)) == {"locked.txt", "odd.txt"}
    assert (
        "protected by a password" in reasons(found)["locked.txt"] and "damaged in its zip" in reasons(found)["odd.txt"]
    )


def test_a_member_that_lies_about_its_size_or_is_damaged_says_so(tmp_path, into):
    path = zipped(tmp_path / "a.zip", {"liar.txt": "x" * 5000, "crc.txt": "y" * 5000, "good.txt": "good"})
    edited(path, 24, 10, b"liar.txt")  # unpacked size
    edited(path, 16, 1, b"crc.txt")
    found = list(expand([path], into))
    assert taken(found) == {"good.txt": "good"} and set(reasons(found)) == {"liar.txt", "crc.txt"}
    assert len(list(into.iterdir())) == 1, "nothing of the others is left"


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + b"\0" * 200])
def test_a_broken_zip_is_one_sentence(tmp_path, into, content):
    found = list(expand([written(tmp_path / "a.zip", content), written(tmp_path / "b.txt")], into))
    assert reasons(found) == {"a.zip": "“a.zip” is damaged or no zip: pack it again."} and set(taken(found)) == {
        "b.txt"
    }


def test_a_zip_cut_or_spoilt_anywhere_gives_files_and_sentences_only(tmp_path, into):
    whole = zipped(tmp_path / "whole.zip", {"a.txt": "x" * 300, "资料.txt": "y" * 300}).read_bytes()
    for place in range(len(whole)):
        for spoilt in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            for found in expand([written(tmp_path / "a.zip", spoilt)], into):
                assert (found.path is None) == isinstance(found.reason, BadInput)


def test_zip_bombs_are_refused_before_they_are_unpacked(tmp_path, into, monkeypatch):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package, package.open("zeros.txt", "w") as file:
        for _ in range(60):
            file.write(bytes(2**20))
    many = zipped(tmp_path / "many.zip", {f"{number}.txt": "x" for number in range(packages.MOST_MEMBERS + 1)})
    monkeypatch.setattr(archives, "MOST_UNPACKED", 1000)
    big = zipped(tmp_path / "big.zip", {"a.txt": "x" * 600, "b.txt": "y" * 600})
    found = list(expand([bomb, many, big, written(tmp_path / "good.txt")], into))
    assert set(taken(found)) == {"good.txt"} and list(into.iterdir()) == []
    assert all("would unpack to far more" in sentence for sentence in reasons(found).values()) and len(found) == 4


def test_a_list_of_members_that_would_fill_the_memory_is_not_read(tmp_path, into, monkeypatch):
    monkeypatch.setattr(packages, "_MOST_LIST", 100)
    monkeypatch.setattr(packages.zipfile, "ZipFile", lambda *_: pytest.fail("the list was read"))
    path = tmp_path / "a.zip"
    entry = b"PK\x01\x02" + b"\0" * 42
    path.write_bytes(entry * 9 + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, len(entry) * 9, 0, 0))
    assert "would unpack to far more" in reasons(list(expand([path], into)))["a.zip"]


def test_bytes_are_counted_while_unpacking(tmp_path, into, monkeypatch):
    monkeypatch.setattr(archives, "is_bomb", lambda *_: False)
    monkeypatch.setattr(archives, "MOST_UNPACKED", 1000)
    path = zipped(tmp_path / "a.zip", {"a.txt": "x" * 600, "b.txt": "y" * 600, "c.txt": "z" * 300})
    assert set(taken(list(expand([path], into)))) == {"a.txt", "c.txt"}


def test_a_full_disk_ends_it(tmp_path, into, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "_unpack", full)
    with pytest.raises(OSError, match="No space"):
        list(expand([zipped(tmp_path / "a.zip", {"a.txt": "x"})], into))
    assert list(into.iterdir()) == []


def test_one_bad_upload_of_everything_keeps_what_is_good(tmp_path, into):
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as file:
        file.truncate(300 * 2**20)
    good = pdf(tmp_path / "good.pdf", ["Good page"])
    upload = [
        written(tmp_path / "broken.pdf", good.read_bytes()[:150]),
        locked_pdf(tmp_path / "locked.pdf", ["Secret"], "abc"),
        written(tmp_path / "empty.txt", ""),
        huge,
        written(tmp_path / "wrong.docx", good.read_bytes()),
        zipped(tmp_path / "a.zip", {"../evil.txt": "evil", "fine.txt": "fine"}),
        good,
    ]
    texts, sentences = {}, {}
    for found in expand(upload, into):
        try:
            if found.reason:
                raise found.reason
            assert found.path
            texts[found.name] = load(found.path, found.name)[0].text
        except BadInput as error:
            sentences[found.name] = str(error)
    assert texts == {"fine.txt": "fine", "good.pdf": "Good page"}
    assert list(sentences) == ["broken.pdf", "locked.pdf", "empty.txt", "huge.txt", "wrong.docx", "../evil.txt"]
    assert all(name in sentence and sentence.count("\n") == 0 for name, sentence in sentences.items())
