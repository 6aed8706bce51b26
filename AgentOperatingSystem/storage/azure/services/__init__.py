"""Azure's storage services as they are, for applications: blobs, tables, queues and documents (specification rows 102
to 106). Nothing of this system is built on them; agents' state lies in `storage.azure`.

naming    keys as the services take them, and the calls that all of them share
blob, table, queue, cosmos   one service each; `save`, `load`, `delete` and `list` are the same where there are any
"""
