"""What runs on the other side: the processes of one cage, standard library only.

    main        the outer process: enters the namespaces, waits                        (host files, host user)
    └── main    process 1: builds the file system, gives up every right, supervises    (in the cage from here on)
        └── program   process 2: limits, system call filter, then the model's code

The host starts `main` with an empty environment and no inherited descriptors, writes one `Request` to its standard
input and reads one report from its standard output. Standard input stays open as a lifeline: when the host dies,
process 1 reads its end and the cage is gone.
"""
