"""Calls: two legs bridged, or one leg with an application. Pure; see `call.py` for how a call goes."""
