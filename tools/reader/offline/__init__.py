"""The offline reader: opens all that a pile of a vault's files and secrets opens, and says what that is.

Written from docs/FORMAT.md (with docs/KEYS.md and docs/ERASURE.md) and sharing nothing with the vault's own code, so that
what it cannot open is a statement about the files and not about the vault. Read the modules in this order:

    codec      numbers, base32, the fields of a fixed layout
    seal       the one authenticated encryption
    shamir     shares over GF(2^8)
    stripes    blocks of keepers, and how raw keepers split them
    pile       the files that were given, and places in them
    lmdb       every page of a data file: used, free, stale
    tables     which table an entry of a page belongs to
    journal    the journal's records
    keepers    keeper files, raw keepers, their slots
    wraps      the wrapped unseal key, and the secrets that open it
    notes      signed notes: manifests, receipts, checkpoints
    certificates
               certificates of destruction and the log that proves them
    tree       root records, pages of the tree, key blocks
    rows       rows of a person, references, fields
    system     ledger, pending requests, configuration, tokens, audit payloads, kept answers, places of rotations
    collect    all that lies in the files, indexed, nothing opened yet
    fixpoint   opens what opens, until nothing more does
    beside     the same for what leads to no further key: ledger, configuration, audit payloads
    findings   what that means for each subject
    watch      the search for given byte strings, and the values where they are asked for
    report     the same as text and as JSON
    main       arguments, exit codes
"""
