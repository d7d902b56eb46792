"""Real documents for tests, made on the spot: PDF by hand, Office files with the libraries that read them."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def pdf(path: Path, pages: Sequence[str]) -> Path:
    """A PDF with one page for each Latin text, set in Helvetica; a page without text for an empty one."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        lines = [line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in text.splitlines()]
        stream = "BT /F1 12 Tf 14 TL 72 720 Td\n" + "".join(f"({line}) Tj T*\n" for line in lines) + "ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {len(objects)} 0 R >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    content += (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    ).encode()
    path.write_bytes(content)
    return path


def locked_pdf(path: Path, pages: Sequence[str], password: str, owner: str = "owner") -> Path:
    """A PDF that needs a password; with an empty one anybody may read it, and only the owner may change it."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(pdf(path.with_suffix(".open"), pages)))
    writer.encrypt(password, owner, algorithm="AES-256")
    writer.write(path)
    return path


def docx(path: Path, blocks: Sequence[Any]) -> Path:
    """A Word file: `# text` is a heading, `- text` an item, other text a paragraph, a list of rows a table."""
    from docx import Document

    document = Document()
    for block in blocks:
        if isinstance(block, str):
            _paragraph(document, block)
            continue
        table = document.add_table(len(block), len(block[0]))
        for row, texts in zip(table.rows, block, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    document.save(str(path))
    return path


def _paragraph(document: Any, block: str) -> None:
    marks, _, text = block.partition(" ")
    if marks and set(marks) == {"#"}:
        document.add_heading(text, len(marks))
    elif marks == "-":
        document.add_paragraph(text, style="List Bullet")
    else:
        document.add_paragraph(block)


def pptx(path: Path, slides: Sequence[Mapping[str, Any]]) -> Path:
    """A PowerPoint file; a slide may have `title`, `text`, `table` (rows) and `notes`."""
    from pptx import Presentation
    from pptx.util import Inches

    presentation = Presentation()
    for content in slides:
        slide: Any = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = content.get("title", "")
        slide.placeholders[1].text = content.get("text", "")
        if rows := content.get("table"):
            shape = slide.shapes.add_table(len(rows), len(rows[0]), Inches(1), Inches(3), Inches(6), Inches(1))
            for row, texts in zip(shape.table.rows, rows, strict=True):
                for cell, text in zip(row.cells, texts, strict=True):
                    cell.text = text
        if "notes" in content:
            slide.notes_slide.notes_text_frame.text = content["notes"]
    presentation.save(str(path))
    return path


def xlsx(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> Path:
    """An Excel file with these sheets of rows."""
    from openpyxl import Workbook

    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    workbook.save(path)
    return path


def zipped(path: Path, members: Mapping[str, bytes | str]) -> Path:
    """A zip with these members, packed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members.items():
            package.writestr(name, content)
    return path


def replaced(source: Path, target: Path, member: str, content: bytes) -> Path:
    """A copy of a zip, or an Office file, with another content in one member."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    return target
