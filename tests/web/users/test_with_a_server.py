"""The pages of SIP users beside a running server with real phones: what they say is what is."""

from __future__ import annotations

import html
import re
from pathlib import Path

from sealtone.phone import Encryption, Wish
from server.whole import config_in, running
from web.calls.whole_panel import panel_of


async def test_the_tester_says_of_registered_phones_what_their_call_then_comes_to(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, panel_of(whole) as panel:
        client = panel.signed_in()
        async with (
            whole.phone("1000", "tls", wish=Wish(Encryption.REQUIRE)) as a,
            whole.phone("1001", "udp") as b,
        ):
            await a.register()
            await b.register()
            listed = html.unescape((await client.get("/sip-users")).text)
            assert listed.count("<b>Online</b>") == 2
            assert "TLS (TLSv1.3)" in listed
            for caller, dialled in (("1000", "1001"), ("1001", "1000")):
                page = html.unescape((await client.get(f"/sip-users/test-call?caller={caller}&dialled={dialled}")).text)
                said = re.search(r'<p class="drawn"><code>([^<]+)</code>', page)
                assert said
                phone, far = (a, b) if caller == "1000" else (b, a)
                call = await phone.call(dialled)
                await call.answered(15)
                there = await far.next_call(15)
                (live,) = whole.server.node.exchange.calls.values()
                assert live.drawn() == said[1]
                assert f'class="state state-{"open" if live.security_state() == "open" else "server"}"' in page
                await call.hang_up()
                await there.ended(15)


async def test_a_change_that_is_saved_in_the_panel_is_in_force_on_the_next_page(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, panel_of(whole) as panel:
        client = panel.signed_in()
        await client.send_form("/sip-users/several", {"action": "disable", "aor": ["1002@office.example"]})
        page = (await client.get("/changes?q=1002&action=change")).text
        assert "Done" in page
        assert not whole.server.node.snapshot.user("1002@office.example").enabled  # type: ignore[union-attr]
