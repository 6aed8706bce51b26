"""Storage on PostgreSQL. asyncpg is imported when a database is opened.

schema       the tables, in numbered steps
database     connections, tries, and asyncpg's errors in our words
statements   a transaction as one statement
commit       a change as one, sent until it is known what became of it
store, blobs the ports
"""
