/* libvault/codec/limits.h - the maxima of the wire and of input files. `version` tells clients ten of them; docs/PROTOCOL.md
 * "Limits" has these and those of what is kept. Units in the names. Thread: constants. */
#pragma once

enum vt_limit {
    VT_LIMIT_FRAME_BYTES = 16 * 1024 * 1024,        /* one msgpack-RPC request */
    VT_LIMIT_REPLY_BYTES = 64 * 1024 * 1024,        /* one reply: the largest export package */
    VT_LIMIT_LOGIN_FRAME_BYTES = 16 * 1024,         /* before a connection has authenticated */
    VT_LIMIT_DEPTH = 16,                            /* nesting of maps and arrays */
    VT_LIMIT_ITEMS = 200 * 1000,                    /* elements of one message, keys and values counted */
    VT_LIMIT_VALUE_BYTES = 1024 * 1024,             /* one string or byte string */
    VT_LIMIT_BATCH_ITEMS = 10 * 1000,               /* items of one batch call */
    VT_LIMIT_NAME_BYTES = 64,                       /* names of fields, collections, templates, tenants */
    VT_LIMIT_EXTERNAL_ID_BYTES = 256,
    VT_LIMIT_YAML_BYTES = 1024 * 1024,
    VT_LIMIT_CSV_CELL_BYTES = 256 * 1024,
    VT_LIMIT_CSV_COLUMNS = 512,
    VT_LIMIT_IMPORT_LINE_BYTES = 1024 * 1024,
    VT_LIMIT_FIELDS_PER_COLLECTION = 256,
    VT_LIMIT_ROW_PLAIN_BYTES = 3968,                /* one sealed row; longer values go into chunks */
    VT_LIMIT_RECORD_KEYS = 64,                      /* records with keys of their own, per subject (forget: record) */
    VT_LIMIT_INDEX_HOLDERS = 10 * 1000,             /* holders of one value of a field indexed `many` */
    VT_LIMIT_PIPELINE_CALLS = 1024,                 /* calls under way on one connection */
};
