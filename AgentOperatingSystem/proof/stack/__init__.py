"""The whole deployment on one machine under attack: `aos faults --stack azure`.

client → (HTTP | queue) → proxy → broker --persist → two Functions hosts and a worker → Azurite
         ↑ cut, killed, stopped past its lock, sent again behind the detection window ↑
"""
