"""Who the host is, where its secrets lie, and who its callers are.

    opening → identity, keeper           for the composition file
    keeper → stores → vault, file, environment
    tokens, easy_auth → principals       for the HTTP door

ports             what a place of secrets can do
environment, secrets_file, azure/key_vault    the places
keeper            reads what the configuration refers to, and reads it again
azure/identity    one credential per system, made at the first token
principals        who a caller is
tokens_file       bearer tokens with names, hashed
easy_auth         the headers of App Service authentication
opening           all of it, as a configuration wants it
checking          can every secret be had?
"""
