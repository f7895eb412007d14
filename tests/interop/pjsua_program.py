"""A telephone program on PJSIP (PyPI pjsua2-python): `python pjsua_program.py SETTINGS.json`.

Commands are lines on standard input (`call URI`, `answer`, `hangup`, `hold`, `resume`, `codecs GSM iLBC`,
`digits 123`, `quit`), what happens is lines of JSON on standard output. It is a program of its own, since the package brings an OpenSSL of its own.
"""

from __future__ import annotations

import functools
import json
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

import pjsua2 as pj


def tell(what: str, **more: object) -> None:
    print(json.dumps({"event": what, **more}), flush=True)


def told(callback: Callable[..., None]) -> Callable[..., None]:
    """PJSIP swallows what its callbacks raise."""

    @functools.wraps(callback)
    def guarded(*arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception as error:
            tell("failed", error=repr(error), info=str(getattr(error, "info", lambda: "")()))

    return guarded


class Conversation(pj.Call):
    """One call: plays the tone to the far side and records what comes."""

    def __init__(self, phone: Telephone, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(phone.account, call_id)
        self.phone = phone

    @told
    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY:
            tell("ringing")
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            tell("established")
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.phone.stop_files()
            tell("closed", status=int(info.lastStatusCode))

    @told
    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:
        info = self.getInfo()  # kept: what it holds dies with it
        if info.media[0].status == pj.PJSUA_CALL_MEDIA_ACTIVE:
            stream = self.getStreamInfo(0)
            tell("codec", name=stream.codecName, rate=int(stream.codecClockRate))
            self.phone.connect(self.getAudioMedia(-1))

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:
        tell("digit", digit=prm.digit)


class Account(pj.Account):
    phone: Telephone

    def onRegState(self, prm: pj.OnRegStateParam) -> None:
        if prm.code != 0:
            tell("registered" if prm.code == 200 and prm.expiration else "refused", status=int(prm.code))

    @told
    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:
        self.phone.take(Conversation(self.phone, prm.callId))


class Telephone:
    def __init__(self, settings: dict[str, object]) -> None:
        self.settings = settings
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        config.medConfig.clockRate = 16000
        config.medConfig.quality = 10
        config.logConfig.level = 4
        config.logConfig.consoleLevel = 0
        config.logConfig.filename = str(settings["log"])
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port = int(str(settings["sip_port"]))
        transport.boundAddress = "127.0.0.1"
        kinds = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP}
        self.transport = self.endpoint.transportCreate(kinds[str(settings["transport"])], transport)
        self.endpoint.audDevManager().setNullDev()
        self.endpoint.libStart()
        self.use(*map(str, settings["codecs"]))  # type: ignore[call-overload]
        self.account = Account()
        self.account.phone = self
        account = pj.AccountConfig()
        account.idUri = f"sip:{settings['user']}@{settings['domain']}"
        host, port = settings["server"]  # type: ignore[misc]
        to = f"sip:{host}:{port};transport={settings['transport']};lr"
        account.regConfig.registrarUri = f"sip:{settings['domain']}"
        account.regConfig.timeoutSec = 300
        account.sipConfig.proxies.append(to)
        account.sipConfig.authCreds.append(
            pj.AuthCredInfo("digest", "*", str(settings["user"]), 0, str(settings["secret"]))
        )
        account.sipConfig.transportId = self.transport
        account.mediaConfig.transportConfig.port = int(str(settings["rtp_port"]))
        account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        self.account.create(account)
        self.call: Conversation | None = None
        self.player: pj.AudioMediaPlayer | None = None
        self.recorder: pj.AudioMediaRecorder | None = None

    def use(self, *names: str) -> None:
        """Offer and take these codecs alone, best first."""
        wanted = [name.lower() for name in names]
        for codec in self.endpoint.codecEnum2():
            name, rate, _ = codec.codecId.split("/")
            place = next(
                (at for at, want in enumerate(wanted) if want in (name.lower(), f"{name}/{rate}".lower())), None
            )
            self.endpoint.codecSetPriority(codec.codecId, 0 if place is None else 250 - place)

    def take(self, call: Conversation) -> None:
        self.call = call
        tell("incoming")
        if self.settings["auto_answer"]:
            self.answer()

    def answer(self) -> None:
        assert self.call is not None
        parameters = pj.CallOpParam(True)
        parameters.statusCode = 200
        self.call.answer(parameters)

    def connect(self, far: pj.AudioMedia) -> None:
        if self.player is None:
            self.player = pj.AudioMediaPlayer()
            self.player.createPlayer(str(self.settings["play"]))
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(str(self.settings["record"]))
        self.player.startTransmit(far)
        far.startTransmit(self.recorder)

    def stop_files(self) -> None:
        self.player = self.recorder = None  # the destructor completes the recording

    def obey(self, line: str) -> bool:
        command, _, rest = line.strip().partition(" ")
        if command == "call":
            self.call = Conversation(self)
            self.call.makeCall(rest, pj.CallOpParam(True))
        elif command == "answer":
            self.answer()
        elif command == "quit":
            return False
        elif self.call is not None:
            if command == "hangup":
                self.call.hangup(pj.CallOpParam(True))
            elif command == "hold":
                self.call.setHold(pj.CallOpParam(True))
            elif command == "resume":
                parameters = pj.CallOpParam(True)
                parameters.opt.flag = pj.PJSUA_CALL_UNHOLD
                self.call.reinvite(parameters)
            elif command == "codecs":
                self.use(*rest.split())
                parameters = pj.CallOpParam(True)
                parameters.opt.flag = pj.PJSUA_CALL_REINIT_MEDIA
                self.call.reinvite(parameters)
            elif command == "digits":
                self.call.dialDtmf(rest)
        return True

    def run(self) -> None:
        os.set_blocking(0, False)
        held = b""
        tell("ready")
        while True:
            self.endpoint.libHandleEvents(10)
            if select.select([0], [], [], 0)[0]:
                data = os.read(0, 4096)
                if not data:
                    return
                held += data
                *lines, held = held.split(b"\n")
                for line in lines:
                    if not self.obey(line.decode()):
                        return

    def close(self) -> None:
        self.stop_files()
        self.endpoint.hangupAllCalls()
        self.endpoint.libDestroy()


def main() -> None:
    telephone = Telephone(json.loads(Path(sys.argv[1]).read_text()))
    try:
        telephone.run()
    finally:
        telephone.close()


if __name__ == "__main__":
    main()
