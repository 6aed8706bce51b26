"""The broker in the PostgreSQL database that keeps the agents' state.

queue      its statements: what is sent, taken, claimed and handed out again
bus        `MessageBus`, and the `Outbox` of the store
callers    who waits here for what another host may have handled
alarm      one timer for the first of many due times
doorbell   `LISTEN` and `NOTIFY`: tells hosts to look, and never what they find
opening    store, blobs and bus of one database, for the composition
"""
