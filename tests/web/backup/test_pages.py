"""The pages of configuration and backup, and the zone of the service."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from sealtone.admin.backup import read_backup
from sealtone.model.people import Role
from sealtone.store.directory import read_users
from sealtone.store.tables import panel_session
from web.conftest import Client, Panel

PASSPHRASE = "correct horse battery"
URL = "/account/configuration"


def upload(text: str) -> dict[str, tuple[str, bytes, str]]:
    return {"file": ("sealtone.yaml", text.encode(), "application/yaml")}


async def sent(client: Client, text: str) -> tuple[int, str]:
    answer = await client.post(URL, data={"csrf": client.token(), "step": "check"}, files=upload(text))
    return answer.status_code, answer.text


async def test_a_file_is_shown_as_differences_and_taken_up_when_that_is_said(panel: Panel) -> None:
    panel.domain()
    panel.sip_user()
    client = panel.signed_in()
    text = (await client.get(f"{URL}/sealtone.yaml")).text
    assert "ha1" not in text
    status, same = await sent(client, text)
    assert (status, "Nothing differs from the file." in same) == (200, True)
    wanted = text.replace("display_name: ''", "display_name: <b>Anna</b>") + "    - username: '1001'\n"
    status, shown = await sent(client, wanted)
    assert status == 200
    assert "2 changes. Nothing has been changed yet." in shown
    assert "&lt;b&gt;Anna&lt;/b&gt;" in shown
    assert "<b>Anna</b>" not in shown
    assert names(panel) == [""]
    (kept,) = re.findall(r"<textarea name=\"text\" hidden>\n(.*?)</textarea>", shown, re.DOTALL)
    assert "1001" in kept
    done = await client.send_form(URL, {"step": "apply", "text": wanted})
    assert "1001@office.example" in done.text
    assert names(panel) == ["<b>Anna</b>", ""]


async def test_a_wrong_file_is_refused_with_its_line_in_the_readers_language(panel: Panel) -> None:
    panel.domain()
    client = panel.signed_in()
    client.headers["Accept-Language"] = "ru"
    status, text = await sent(client, "sealtone: 1\naccounts:\n- name: First\n  colour: green\n")
    assert status == 422
    assert "Строка 4: colour здесь не ключ." in text
    status, text = await sent(client, "sealtone: 1\naccounts:\n- name: First\n  keep_calls: soon\n")
    assert status == 422
    assert "Строка 3: " in text
    assert not re.search(r"field-error.*Enter a number", text)


async def test_a_viewer_takes_nothing_up_and_only_an_owner_gets_digests_of_secrets(panel: Panel) -> None:
    panel.domain()
    panel.sip_user()
    assert (await panel.signed_in(Role.VIEWER).send_form(URL, {"text": "sealtone: 1"})).status_code == 403
    assert (await panel.signed_in(Role.ADMIN).send_form(f"{URL}/with-secrets")).status_code == 403
    with_secrets = await panel.signed_in().send_form(f"{URL}/with-secrets")
    assert "ha1_sha256" in with_secrets.text


async def test_a_backup_is_made_by_the_operator_fetched_and_deleted(panel: Panel, tmp_path: Path) -> None:
    panel.domain()
    client = panel.signed_in(operator=True)
    page = await client.get("/service/backups")
    assert "There is none." in page.text
    weak = await client.send_form("/service/backups", {"passphrase": "short", "again": "short"})
    assert weak.status_code == 422
    assert "short" not in weak.text.replace("too short", "")
    other = await client.send_form("/service/backups", {"passphrase": PASSPHRASE, "again": "another one here"})
    assert "This is not the same." in other.text
    keyless = await client.send_form("/service/backups", {"sealed_by": "key", "recipient": "age1nonsense"})
    assert "This is no public key of age" in keyless.text
    assert (
        await client.send_form("/service/backups", {"passphrase": PASSPHRASE, "again": PASSPHRASE})
    ).status_code == 303
    for _ in range(600):
        listed = await client.get("/service/backups/list")
        if "is being made" not in listed.text:
            break
        await asyncio.sleep(0.1)
    (name,) = re.findall(r"/service/backups/(sealtone-\w+\.zip)/file", listed.text)
    file = tmp_path / "fetched.zip"
    file.write_bytes((await client.get(f"/service/backups/{name}/file")).content)
    contents = await asyncio.to_thread(read_backup, file, list, lambda: PASSPHRASE)
    assert contents.rows["domain"] == 1
    assert (await client.send_form(f"/service/backups/{name}/delete")).status_code == 303
    assert "There is none." in (await client.get("/service/backups")).text


async def test_why_a_backup_failed_is_said_in_the_readers_language(panel: Panel) -> None:
    (panel.folder / "backups").write_text("a file where the folder should be")
    client = panel.signed_in(operator=True)
    client.headers["Accept-Language"] = "ru"
    assert (
        await client.send_form("/service/backups", {"passphrase": PASSPHRASE, "again": PASSPHRASE})
    ).status_code == 303
    for _ in range(600):
        listed = await client.get("/service/backups/list")
        if "Создаётся копия" not in listed.text:
            break
        await asyncio.sleep(0.1)
    assert "не удалась: " in listed.text


async def test_backups_are_for_the_operator_alone_who_proves_again_who_they_are(panel: Panel) -> None:
    for path in ("/service/backups", "/service/backups/list", "/service/backups/sealtone-20261126T093000Z.zip/file"):
        assert (await panel.signed_in().get(path)).status_code == 403
    client = panel.signed_in(operator=True)
    with panel.database.write() as transaction:
        transaction.connection.execute(panel_session.update().values(confirmed_at=time.time() - 3600))
    asked = await client.get("/service/backups")
    assert (asked.status_code, asked.headers.get("location", "").startswith("/confirm")) == (303, True)


async def test_the_zone_of_the_service_is_set_and_shown_with_its_record(panel: Panel) -> None:
    client = panel.signed_in(operator=True)
    wrong = await client.send_form("/service/zone", {"zone": "no zone"})
    assert wrong.status_code == 422
    assert 'value="no zone"' in wrong.text
    assert (await client.send_form("/service/zone", {"zone": "sip.example.org"})).status_code == 303
    assert "*.sip.example.org" in (await client.get("/service")).text
    assert (await panel.signed_in().send_form("/service/zone", {"zone": "mine.example"})).status_code == 403


def names(panel: Panel) -> list[str]:
    with panel.database.read() as transaction:
        return [user.display_name for user in read_users(transaction)]
