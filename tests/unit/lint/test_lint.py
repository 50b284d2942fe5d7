"""Each lint complains about what it is for, by file, line and words, and about nothing else.
Run as test_lint.py NAME for one lint, without a name for all."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
# Written in pieces: these words must not stand in a tracked file, this one included.
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")
MACHINE_PATH = "/" + "work/here/file"
WORKPLACE = "work" + "tree"


class LintCase(unittest.TestCase):
    lint = None

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="vaultd-lint-")
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, path, text):
        where = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "w", encoding="utf-8") as handle:
            handle.write(text)

    def run_lint(self, *extra):
        lint = os.path.join(TOP, "tools/lint", self.lint)
        done = subprocess.run(["/usr/bin/python3", lint, "--root", self.root, *extra], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def assert_clean(self, *extra):
        code, said = self.run_lint(*extra)
        self.assertEqual(code, 0, said)

    def assert_complains(self, where, words, count=1, extra=()):
        code, said = self.run_lint(*extra)
        self.assertEqual(code, 1, said)
        self.assertIn(f"{where}: ", said)
        self.assertIn(words, said)
        self.assertIn(f", {count} complaints", said)

    def assert_needs_something(self, *extra):
        code, said = self.run_lint(*extra)
        self.assertEqual(code, 1, said)
        self.assertIn("found nothing to look at", said)


class Layers(LintCase):
    lint = "layers"

    def header(self, path):
        self.write(path, "#pragma once\n")

    def test_an_empty_tree_is_no_success(self):
        self.assert_needs_something()

    def test_a_folder_includes_from_its_left(self):
        self.header("vaultd/core/store/store.h")
        self.header("libvault/base/buf.h")
        self.write("vaultd/core/keyring/tree.c",
                   '#include "vaultd/core/store/store.h"\n#include "libvault/base/buf.h"\n#include <stdio.h>\n')
        self.assert_clean()

    def test_a_folder_must_not_include_from_its_right(self):
        self.header("vaultd/core/keyring/keyring.h")
        self.write("vaultd/core/store/store.c", '\n#include "vaultd/core/keyring/keyring.h"\n')
        self.assert_complains("vaultd/core/store/store.c:2", "must not include from vaultd/core/keyring")

    def test_siblings_do_not_know_each_other(self):
        self.header("vaultd/core/keeper/keeper.h")
        self.write("vaultd/core/keyring/keyring.c", '#include "vaultd/core/keeper/keeper.h"\n')
        self.assert_complains("vaultd/core/keyring/keyring.c:1", "must not include from vaultd/core/keeper")

    def test_the_library_must_not_know_the_daemon(self):
        self.header("vaultd/core/store/store.h")
        self.write("libvault/client/call.c", '# include "vaultd/core/store/store.h"\n')
        self.assert_complains("libvault/client/call.c:1", "must not include from vaultd/core/store")

    def test_an_include_starts_at_the_root(self):
        self.header("libvault/base/buf.h")
        self.write("libvault/base/buf.c", '#include "buf.h"\n')
        self.assert_complains("libvault/base/buf.c:1", "no path from the root")

    def test_an_include_must_not_climb(self):
        self.header("libvault/base/buf.h")
        self.write("libvault/base/buf.c", '#include "libvault/base/../base/buf.h"\n')
        self.assert_complains("libvault/base/buf.c:1", "no path from the root")

    def test_a_private_header_stays_in_its_folder(self):
        self.header("libvault/base/buf_internal.h")
        self.write("libvault/codec/text.c", '#include "libvault/base/buf_internal.h"\n')
        self.assert_complains("libvault/codec/text.c:1", "private to its folder")

    def test_an_unknown_folder_is_no_layer(self):
        self.header("libvault/base/buf.h")
        self.write("libvault/extra/new.c", '#include "libvault/base/buf.h"\n')
        self.assert_complains("libvault/extra/new.c:1", "no known layer")

    def test_a_third_party_header_stays_at_home(self):
        homes = {"openssl/evp.h": "libvault/crypto/aead.c", "lmdb.h": "vaultd/core/store/store_lmdb.c",
                 "uv.h": "vaultd/server/loop.c", "msgpack.h": "libvault/codec/msgpack.c",
                 "jansson.h": "libvault/codec/json.c", "yaml.h": "libvault/codec/yaml.c",
                 "csv.h": "libvault/codec/csv.c", "utf8proc.h": "libvault/codec/text.c",
                 "openssl/ssl.h": "libvault/wire/tls_server.c"}
        for header, home in homes.items():
            self.write(home, f"#include <{header}>\n")
        self.assert_clean()
        for header in homes:
            self.write("vaultd/service/away.c", f"#include <{header}>\n")
            self.assert_complains("vaultd/service/away.c:1", f"<{header}> belongs to")

    def test_a_public_header_names_public_headers_beside_itself_only(self):
        self.header("libvault/include/vault/status.h")
        self.header("libvault/base/buf.h")
        self.write("libvault/include/vault/client.h", '#include "status.h"\n')
        self.assert_clean()
        self.write("libvault/include/vault/client.h", '#include "../../base/buf.h"\n')
        self.assert_complains("libvault/include/vault/client.h:1", "public headers only")

    def test_the_offline_reader_shares_nothing(self):
        self.header("vaultd/core/store/store.h")
        self.write("tools/reader/reader.c", '#include "vaultd/core/store/store.h"\n')
        self.assert_complains("tools/reader/reader.c:1", "tools/reader must not include from vaultd/core/store")

    def test_an_exception_needs_a_reason_and_a_use(self):
        self.header("libvault/wire/rpc.h")
        self.write("vaultd/service/dispatch.c", '#include "libvault/wire/rpc.h"\n')
        self.assert_complains("vaultd/service/dispatch.c:1", "must not include from libvault/wire")
        self.write("tools/lint/layers.accepted", "vaultd/service/dispatch.c: libvault/wire/rpc.h: replies are frames\n")
        self.assert_clean()
        self.write("vaultd/service/dispatch.c", "int a;\n")
        self.assert_complains("tools/lint/layers.accepted:1", "no longer needs libvault/wire/rpc.h")

    def test_a_test_may_include_from_anywhere_that_exists(self):
        self.header("vaultd/core/store/store_internal.h")
        self.write("tests/unit/store/test_store.c", '#include "vaultd/core/store/store_internal.h"\n')
        self.assert_clean()
        self.write("tests/unit/store/test_store.c", '#include "store_internal.h"\n')
        self.assert_complains("tests/unit/store/test_store.c:1", "no path from the root")


class Headers(LintCase):
    lint = "headers"

    def test_an_empty_tree_is_no_success(self):
        self.assert_needs_something()

    def test_a_header_that_stands_alone_is_fine(self):
        self.write("libvault/base/good.h", "#pragma once\n#include <stddef.h>\nsize_t vt_good(void);\n")
        self.assert_clean()

    def test_a_header_that_leans_on_another_fails(self):
        self.write("libvault/base/bad.h", "#pragma once\nsize_t vt_bad(void);\n")
        self.assert_complains("libvault/base/bad.h:1", "does not compile alone")

    def test_a_warning_in_a_header_fails(self):
        self.write("libvault/base/bad.h", "#pragma once\nint vt_bad();\n")
        self.assert_complains("libvault/base/bad.h:1", "strict-prototypes")

    def test_a_header_without_pragma_once_fails(self):
        self.write("libvault/base/bad.h", "int vt_bad(void);\n")
        self.assert_complains("libvault/base/bad.h:1", "no #pragma once")


class Banned(LintCase):
    lint = "banned"

    def test_an_empty_tree_is_no_success(self):
        self.assert_needs_something()

    def test_each_banned_call_is_found_everywhere(self):
        for call in ("strcpy strcat sprintf vsprintf gets strtok atoi alloca rand srand realloc system popen "
                     "mktemp").split():
            self.write("tests/unit/a.c", f"void f(void)\n{{\n    {call} (x);\n}}\n")
            self.assert_complains("tests/unit/a.c:3", f"{call}(): ")

    def test_printing_is_banned_in_libraries_only(self):
        self.write("cli/render.c", 'void f(void)\n{\n    printf("x");\n}\n')
        self.assert_clean()
        for path in ("libvault/base/a.c", "vaultd/core/store/a.c"):
            self.write(path, 'void f(void)\n{\n    fputs("x", stderr);\n}\n')
            self.assert_complains(f"{path}:3", "fputs(): ")
            os.remove(os.path.join(self.root, path))

    def test_comparing_a_secret_in_variable_time_is_found(self):
        for name in ("key", "mac_key", "secret", "computed_mac", "tag", "keys[0].bytes"):
            self.write("libvault/crypto/a.c", f"int f(void)\n{{\n    return memcmp(g(a, b),\n{name}, 16);\n}}\n")
            self.assert_complains("libvault/crypto/a.c:3", "vt_ct_equal")

    def test_comparing_public_bytes_is_fine(self):
        self.write("libvault/base/a.c", "int f(void)\n{\n    return memcmp(a.monkey, keyring->stage, VT_KEY_LEN);\n}\n")
        self.assert_clean()

    def test_names_in_comments_texts_members_and_longer_names_are_fine(self):
        self.write("libvault/base/a.c", "/* system(x) */ // strcpy(y)\n"
                   'const char *f(void)\n{\n    my_sprintf(x); o->system(1); return "strcat(a)" \'"\';\n}\n')
        self.assert_clean()

    def test_an_accepted_use_needs_a_reason(self):
        self.write("cli/a.c", "void f(void)\n{\n    realloc(a, 1);\n}\n")
        self.write("tools/lint/banned.accepted", "# why\ncli/a.c: realloc: holds nothing secret\n")
        self.assert_clean()
        self.write("tools/lint/banned.accepted", "cli/a.c: realloc:\n")
        self.assert_complains("tools/lint/banned.accepted:1", "want path: what: reason", count=2)

    def test_an_acceptance_that_is_used_no_more_fails(self):
        self.write("cli/a.c", "int a;\n")
        self.write("tools/lint/banned.accepted", "cli/a.c: realloc: was needed\n")
        self.assert_complains("tools/lint/banned.accepted:1", "cli/a.c no longer needs realloc")


class Gate(LintCase):
    lint = "gate"

    def test_an_empty_tree_is_no_success(self):
        self.assert_needs_something()

    def test_whoever_drops_a_key_elsewhere_is_found(self):
        for call in ("vt_subject_destroy", "vt_keyring_drop_subject", "vt_keyblock_drop", "vt_keyblock_drop_version",
                     "vt_row_delete"):
            self.write("vaultd/service/svc_new.c", f"int f(void)\n{{\n    return {call}(a, b);\n}}\n")
            self.assert_complains("vaultd/service/svc_new.c:3", f"{call}(): goes past the gate")

    def test_whoever_deletes_rows_by_himself_is_found(self):
        self.write("vaultd/service/svc_new.c",
                   "int f(void)\n{\n    return vt_store_delete(txn,\n        VT_TABLE_ROW, key);\n}\n")
        self.assert_complains("vaultd/service/svc_new.c:3", "by itself")
        self.write("vaultd/service/svc_new.c", "int f(void)\n{\n    return vt_store_delete(txn, VT_TABLE_BACKUP, key);\n}\n")
        self.assert_clean()

    def test_who_asks_the_gate_may_and_a_line_that_no_longer_applies_is_found(self):
        self.write("vaultd/service/closing.c", "int f(void)\n{\n    return vt_subject_destroy(a);\n}\n")
        self.assert_clean()
        self.write("vaultd/service/closing.c", "int f(void)\n{\n    return 0;\n}\n")
        self.assert_complains("vaultd/service/closing.c:0", "take it out of tools/lint/gate")

    def test_a_definition_and_a_comment_are_no_call(self):
        self.write("vaultd/core/subject/a.c", "/* vt_row_delete(x) */\nVT_RESULT vt_row_delete(int a)\n{\n    return a;\n}\n")
        self.assert_clean()


class Style(LintCase):
    lint = "style"

    def test_an_empty_tree_is_no_success(self):
        self.assert_needs_something()

    def test_a_line_of_132_columns_is_fine_and_133_is_not(self):
        self.write("libvault/base/a.c", "int " + "é" * 127 + ";\n")
        self.assert_clean()
        self.write("libvault/base/a.c", "int " + "é" * 128 + ";\n")
        self.assert_complains("libvault/base/a.c:1", "133 columns")

    def test_a_command_table_may_be_wider(self):
        self.write("libvault/schema/cmd_a.c", "int " + "a" * 155 + ";\n")
        self.assert_clean()
        self.write("libvault/schema/cmd_a.c", "int " + "a" * 156 + ";\n")
        self.assert_complains("libvault/schema/cmd_a.c:1", "161 columns, at most 160")

    def test_a_tab_fails_in_scripts_too(self):
        self.write("tools/run-it", "#!/bin/sh\n\techo\n")
        self.assert_complains("tools/run-it:2", "a tab")

    def test_space_at_the_end_of_a_line_fails(self):
        self.write("libvault/base/a.c", "int a; \n")
        self.assert_complains("libvault/base/a.c:1", "space at the end")

    def test_a_file_ends_in_exactly_one_newline(self):
        self.write("libvault/base/a.c", "int a;")
        self.assert_complains("libvault/base/a.c:1", "exactly one newline")
        self.write("libvault/base/a.c", "int a;\n\n")
        self.assert_complains("libvault/base/a.c:3", "exactly one newline")

    def test_a_function_of_100_lines_is_fine_and_101_is_not(self):
        self.write("libvault/base/a.c", "void f(void)\n{\n" + "    g();\n" * 99 + "}\n")
        self.assert_clean()
        self.write("libvault/base/a.c", "void f(void)\n{\n" + "    g();\n" * 100 + "}\n")
        self.assert_complains("libvault/base/a.c:2", "function of 101 lines")

    def test_goto_fails_but_not_in_a_comment(self):
        self.write("libvault/base/a.c", '/* goto */\nconst char *a = "goto";\n')
        self.assert_clean()
        self.write("libvault/base/a.c", "void f(void)\n{\n    goto out;\nout:\n    return;\n}\n")
        self.assert_complains("libvault/base/a.c:3", "goto")

    def test_a_header_opens_with_its_own_path(self):
        self.write("libvault/base/a.h", "/* libvault/base/b.h - another. */\n#pragma once\n")
        self.assert_complains("libvault/base/a.h:1", "a header opens with /* libvault/base/a.h - ")


class Words(LintCase):
    lint = "words"

    def test_an_empty_tree_is_no_success(self):
        self.assert_needs_something()

    def test_a_plain_text_is_fine(self):
        self.write("docs/A.md", "Temporary names are vaultd-XXXXXX; see framework/here, https://a.example/home/x\n")
        self.assert_clean()

    def test_a_path_of_one_machine_fails_in_any_text(self):
        for path in ("docs/A.md", "tools/run", "README.md"):
            self.write(path, f"first\nsee {MACHINE_PATH}\n")
            self.assert_complains(f"{path}:2", "a path of one machine")
            os.remove(os.path.join(self.root, path))

    def test_a_word_of_the_workplace_fails(self):
        self.write("vaultd/a.c", f"/* in your {WORKPLACE.upper()} */\n")
        self.assert_complains("vaultd/a.c:1", "a word of the workplace")

    def test_a_mark_of_unfinished_work_fails(self):
        for mark in UNFINISHED:
            self.write("vaultd/a.c", f"/* {mark}: later */\n")
            self.assert_complains("vaultd/a.c:1", "unfinished work")


class Tests(LintCase):
    lint = "tests"

    def suite(self, body, helper="", main='VT_TEST_MAIN("a", it_holds)'):
        self.write("tests/unit/a/test_a.c",
                   f'#include "tests/support/suite.h"\n{helper}\nSTART_TEST(it_holds)\n{{\n{body}\n}}\nEND_TEST\n\n{main}\n')

    def test_an_empty_tree_is_no_success(self):
        self.assert_needs_something()

    def test_a_test_that_asserts_is_fine(self):
        self.suite("    ck_assert_int_eq(f(), 1);")
        self.assert_clean()

    def test_a_test_that_asserts_through_helpers_is_fine(self):
        self.suite("    for (;;) {\n        CHECK(1);\n    }",
                   "static void inner(int a)\n{\n    ck_assert(a);\n}\n"
                   "static void outer(int a,\n                  int b)\n{\n    inner(a + b);\n}\n"
                   "#define CHECK(x) \\\n    outer(x, 2)\n")
        self.assert_clean()

    def test_a_test_that_asserts_nothing_fails(self):
        for body in ("    f();", "    /* ck_assert(f()); */"):
            self.suite(body, "static void f(void)\n{\n    g();\n}\n")
            self.assert_complains("tests/unit/a/test_a.c:7", "it_holds asserts nothing")

    def test_an_assertion_of_true_is_none_and_is_banned_beside_others_too(self):
        self.suite("    ck_assert(true);")
        self.assert_complains("tests/unit/a/test_a.c:3", "it_holds asserts nothing", count=2)
        for text in ("ck_assert(true)", "ck_assert( 1 )"):
            self.suite(f"    ck_assert(f());\n    {text};")
            self.assert_complains("tests/unit/a/test_a.c:6", "ck_assert(true) is no assertion")

    def test_a_test_that_is_not_run_fails(self):
        self.suite("    ck_assert(f());", main='VT_TEST_MAIN("a", it_holds_not)')
        self.assert_complains("tests/unit/a/test_a.c:3", "it_holds is not in VT_TEST_MAIN")

    def register(self, registration):
        self.write("tests/unit/a/CMakeLists.txt", registration)

    def test_a_fault_is_armed_only_in_a_guarded_case(self):
        armed = "    vt_fault_arm(VT_FAULT_ALLOC, 1);\n    ck_assert(f());"
        self.suite(armed)
        self.assert_complains("tests/unit/a/test_a.c:5", "vt_fault_arm without #ifdef VT_FAULTS")
        self.register("vt_test(NAME unit_a LABEL unit SOURCES test_a.c)\n")
        self.assert_complains("tests/unit/a/test_a.c:5", "vt_fault_arm without #ifdef VT_FAULTS")
        self.suite(f"#ifndef VT_FAULTS\n{armed}\n#endif\n    ck_assert(g());")
        self.assert_complains("tests/unit/a/test_a.c:6", "vt_fault_arm without #ifdef VT_FAULTS")
        self.suite(f"#ifdef VT_FAULTS\n{armed}\n#else\n    vt_fault_disarm();\n#endif\n    ck_assert(g());")
        self.assert_complains("tests/unit/a/test_a.c:9", "vt_fault_disarm without #ifdef VT_FAULTS")
        self.suite(f"#ifdef VT_FAULTS\n{armed}\n#endif\n    ck_assert(g());")
        self.assert_clean()

    def test_a_fault_is_armed_freely_in_a_file_registered_with_faults(self):
        self.suite("    vt_fault_set_step_hook(hook, NULL);\n    ck_assert(f());")
        self.register("# vt_test(NAME unit_a LABEL unit SOURCES test_a.c FAULTS)\n")
        self.assert_complains("tests/unit/a/test_a.c:5", "vt_fault_set_step_hook without #ifdef VT_FAULTS")
        self.register("vt_test(NAME unit_a FAULTS LABEL unit\n    SOURCES test_a.c other.c)\n")
        self.assert_clean()

    def test_a_file_that_another_program_has_too_is_not_registered_with_faults(self):
        self.suite("    vt_fault_arm(VT_FAULT_ALLOC, 1);\n    ck_assert(f());")
        self.register("vt_test(NAME unit_a FAULTS SOURCES test_a.c)\nvt_test(NAME unit_b SOURCES test_a.c)\n")
        self.assert_complains("tests/unit/a/test_a.c:5", "vt_fault_arm without #ifdef VT_FAULTS")

    def test_a_registration_with_faults_that_needs_none_fails(self):
        for body in ("    ck_assert(f());", "#ifdef VT_FAULTS\n    vt_fault_disarm();\n#endif\n    ck_assert(f());"):
            self.suite(body)
            self.register("\nvt_test(NAME unit_a FAULTS SOURCES test_a.c)\n")
            self.assert_complains("tests/unit/a/CMakeLists.txt:2", "needs no fault hooks")

    def test_a_test_that_asserts_nothing_without_the_hooks_fails(self):
        self.suite("#ifdef VT_FAULTS\n    ck_assert(f());\n#endif")
        self.assert_complains("tests/unit/a/test_a.c:3", "it_holds asserts nothing without VT_FAULTS")

    def test_a_test_that_is_not_run_without_the_hooks_fails(self):
        self.suite("    ck_assert(f());", main='VT_TEST_MAIN("a",\n#ifdef VT_FAULTS\n it_holds\n#endif\n)')
        self.assert_complains("tests/unit/a/test_a.c:3", "it_holds is not in VT_TEST_MAIN without VT_FAULTS")


class Names(LintCase):
    lint = "names"

    def library(self, source):
        self.write("libvault/include/vault/vault.h", "#pragma once\nint vault_good(void); /* vault_commented */\n")
        self.write("lib.c", source)
        path = os.path.join(self.root, "lib.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", path, os.path.join(self.root, "lib.c")], check=True)
        return path

    def test_a_library_that_exports_nothing_is_no_success(self):
        self.assert_needs_something("--library", self.library("int f(void);\n"))

    def test_a_declared_vault_name_is_fine(self):
        self.assert_clean("--library", self.library("int vault_good(void) { return 1; }\n"))

    def test_a_foreign_name_fails(self):
        path = self.library("int vt_leak(void) { return 1; }\n")
        self.assert_complains(f"{path}:0", "exports vt_leak", extra=("--library", path))

    def test_an_undeclared_vault_name_fails(self):
        path = self.library("int vault_commented(void) { return 1; }\n")
        self.assert_complains(f"{path}:0", "no header in libvault/include declares", extra=("--library", path))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + [name.capitalize() for name in sys.argv[1:]])
