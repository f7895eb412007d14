"""What the server itself says and plays: applications on an answered leg, music on hold, notices before connecting.

An `Application` is a pure state machine; `in_call` runs it on a leg. Whatever is played takes `playing`, which plays
nothing to a leg on a sealed or direct path, and nothing before `model.policy.media_may_flow` says so of that leg.
"""
