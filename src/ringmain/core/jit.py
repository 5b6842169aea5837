"""The only file that imports numba: the kernel decorator, its cache, and memory ordering.

A kernel is a plain function over records and integers. It is compiled by numba, and runs
unchanged, slowly, with ``NUMBA_DISABLE_JIT=1``; the atomics below then are plain loads and
stores, which is enough for tests in one thread.

Numba's disk cache goes stale when a constant changes in another file, so each package's
kernels are cached in a folder that is named by a digest of every source they can reach.
"""

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import google_crc32c
import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

# Kernels allocate nothing, so nothing in them needs a reference count: without _nrt=False, handing an
# array from one kernel to another costs two locked instructions (41 ns a ring record instead of 6).
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}

Function = TypeVar("Function", bound=Callable[..., Any])

JIT_ENABLED = not numba.config.DISABLE_JIT
CACHE_FOLDERS_KEPT = 24
PACKAGE = Path(__file__).parent.parent
DOWNSTREAM = {"advice", "history"}  # rooms of a market that its engine does not import
SHARED_FOLDERS = (PACKAGE / "core", PACKAGE / "ledger")  # every market's kernels may call these


def kernel(function: Function) -> Function:
    """Compile `function` on first use; it holds no lock while it runs.

    Division by zero and indexes are as numpy has them, unchecked; assertions stay on.
    """
    if not JIT_ENABLED:
        return function
    numba.config.CACHE_DIR = _cache_folder(*_sources_beside(function))
    compiled: Function = numba.njit(**_OPTIONS)(function)
    _take_integers_alike(compiled)
    return compiled


def leaf(function: Function) -> Function:
    """Compile a small kernel into whoever calls it: a call would push seven words for each array."""
    if not JIT_ENABLED:
        return function
    numba.config.CACHE_DIR = _cache_folder(*_sources_beside(function))
    compiled: Function = numba.njit(forceinline=True, **_OPTIONS)(function)
    _take_integers_alike(compiled)
    return compiled


def records(array: np.ndarray[Any, Any]) -> Any:
    """View a structured array so that kernels read fields as attributes, compiled or not."""
    return array.view(np.recarray)


def bare(array: Any) -> Any:
    """Take the wrapping off a recarray for compiled kernels: each slice and call costs ten times less.

    With the JIT off it stays, because kernels then read the fields of what they view it as.
    """
    return array.view(np.ndarray) if JIT_ENABLED else array


def _take_integers_alike(compiled: Any) -> None:
    """Have other kernels hand integers over as int64: a kernel is compiled once, not for each width.

    Left to itself, numba compiles anew for an int32, for a uint8 and for every constant argument.
    """
    resolve = compiled.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        return resolve(tuple(map(_widened, args)), {name: _widened(kind) for name, kind in kws.items()})

    compiled.get_call_template = get_call_template


def _widened(kind: Any) -> Any:
    """Return int64 for every integer type but uint64, and any other type as it is."""
    kind = getattr(kind, "literal_type", kind)  # a constant is of the type Literal[int]
    return types.int64 if isinstance(kind, types.Integer) and kind != types.uint64 else kind


def _sources_beside(function: Callable[..., Any]) -> tuple[Path, bool]:
    """Return the folder of a kernel's package, a market's or a user's, and whether it lies downstream there.

    An engine's kernels reach no advice and no history: a change there compiles no engine anew.
    """
    file = Path(function.__code__.co_filename)
    if PACKAGE not in file.parents:
        return file.parent, True
    package, *rooms = file.relative_to(PACKAGE).parts
    return PACKAGE / package, rooms[0] in DOWNSTREAM


@functools.cache
def _cache_folder(own: Path, is_downstream: bool) -> str:
    """Name, make and return the cache folder for kernels that reach the sources in `own`."""
    digest = hashlib.blake2b(f"{numba.__version__} {_flags()}".encode(), digest_size=8)
    reached = SHARED_FOLDERS if PACKAGE in own.parents else (PACKAGE,)  # a user's file may call any market
    for folder in (*reached, own):
        for file in sorted(folder.rglob("*.py") if PACKAGE in folder.parents else folder.glob("*.py")):
            if is_downstream or DOWNSTREAM.isdisjoint(file.relative_to(folder).parts):
                digest.update(file.read_bytes())
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringmain" / "kernels"
    folder = root / f"{own.name}-{digest.hexdigest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        _prune(root)
    except OSError:  # a read-only home: compile anew in each process, into a folder of its own
        folder = Path(tempfile.mkdtemp(prefix="ringmain-kernels-"))
    return str(folder)


def _flags() -> str:
    return " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("NUMBA_"))


def _prune(root: Path) -> None:
    newest_first = sorted(root.iterdir(), key=lambda f: f.stat().st_mtime, reverse=True)
    for folder in newest_first[CACHE_FOLDERS_KEPT:]:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)


# Memory ordering. `words` is a C-contiguous int64 array over shared memory.


def _word_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


_PAUSES: dict[str, tuple[str, list[int]]] = {
    "x86_64": ("llvm.x86.sse2.pause", []),
    "aarch64": ("llvm.aarch64.hint", [1]),
}

_CRC32C: dict[str, tuple[str, int]] = {
    "x86_64": ("llvm.x86.sse42.crc32.64.64", 64),
    "aarch64": ("llvm.aarch64.crc32cx", 32),
}

if JIT_ENABLED:

    @intrinsic
    def load_acquire(typingctx: Any, words: Any, index: Any) -> Any:
        """Read a word; nothing after it is read before it."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _word_pointer(context, builder, signature.args[0], args[0], args[1])
            return builder.load_atomic(pointer, "acquire", 8)

        return types.int64(words, types.intp), codegen

    @intrinsic
    def store_release(typingctx: Any, words: Any, index: Any, value: Any) -> Any:
        """Write a word; everything before it is visible to whoever acquires it."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _word_pointer(context, builder, signature.args[0], args[0], args[1])
            builder.store_atomic(args[2], pointer, "release", 8)
            return context.get_dummy_value()

        return types.void(words, types.intp, types.int64), codegen

    @intrinsic
    def compare_exchange(typingctx: Any, words: Any, index: Any, old: Any, new: Any) -> Any:
        """Write `new` if the word holds `old`, as one step; True if it was written."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _word_pointer(context, builder, signature.args[0], args[0], args[1])
            result = builder.cmpxchg(pointer, args[2], args[3], "seq_cst", "seq_cst")
            return builder.extract_value(result, 1)

        return types.boolean(words, types.intp, types.int64, types.int64), codegen

    @intrinsic
    def full_fence(typingctx: Any) -> Any:
        """Order every store before it ahead of every load after it."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return types.void(), codegen

    @intrinsic
    def copy_line(typingctx: Any, source: Any, begin: Any, target: Any, target_begin: Any) -> Any:
        """Copy 8 words from `begin` on, as one move, and without a look at the indexes' signs."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            line = ir.VectorType(ir.IntType(64), 8).as_pointer()
            taken = _word_pointer(context, builder, signature.args[0], args[0], args[1])
            given = _word_pointer(context, builder, signature.args[2], args[2], args[3])
            value = builder.load(builder.bitcast(taken, line), align=8)
            builder.store(value, builder.bitcast(given, line), align=8)
            return context.get_dummy_value()

        return types.void(source, types.intp, target, types.intp), codegen

    @intrinsic
    def pause(typingctx: Any) -> Any:
        """Wait some 20 ns in a loop that polls: the line that it polls is left to its writer."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            name, values = _PAUSES[platform.machine()]
            hint = ir.FunctionType(ir.VoidType(), [ir.IntType(32) for _ in values])
            function = builder.module.globals.get(name) or ir.Function(builder.module, hint, name)
            builder.call(function, [ir.Constant(ir.IntType(32), value) for value in values])
            return context.get_dummy_value()

        return types.void(), codegen

    @intrinsic
    def crc32c_word(typingctx: Any, crc: Any, word: Any) -> Any:
        """Take 8 more bytes into a CRC32C (not inverted): one instruction, 3 cycles."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            name, width = _CRC32C[platform.machine()]
            kind = ir.FunctionType(ir.IntType(width), [ir.IntType(width), ir.IntType(64)])
            function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            crc = args[0] if width == 64 else builder.trunc(args[0], ir.IntType(width))
            taken = builder.call(function, [crc, args[1]])
            return taken if width == 64 else builder.zext(taken, ir.IntType(64))

        return types.int64(types.int64, types.int64), codegen

    @intrinsic
    def write_at(typingctx: Any, descriptor: Any, words: Any, size: Any, offset: Any) -> Any:
        """Write `size` bytes of an array into a file at `offset`; return how many were written, or -1."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = context.make_array(signature.args[1])(context, builder, args[1]).data
            i32, i64, pointer = ir.IntType(32), ir.IntType(64), ir.IntType(8).as_pointer()
            kind = ir.FunctionType(i64, [i32, pointer, i64, i64])
            function = builder.module.globals.get("pwrite") or ir.Function(builder.module, kind, "pwrite")
            descriptor = builder.trunc(args[0], i32)
            return builder.call(function, [descriptor, builder.bitcast(data, pointer), args[2], args[3]])

        return types.int64(types.int64, words, types.int64, types.int64), codegen

    @intrinsic
    def lowest_bit(typingctx: Any, word: Any) -> Any:
        """Return the place, 0 to 63, of the lowest bit that is set in a word that is not 0."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.cttz(args[0], context.get_constant(types.boolean, True))

        return types.int64(types.int64), codegen

    @intrinsic
    def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
        """Ask for the cache line where an array's item begins; harmless for an index that is not there."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            line = builder.bitcast(
                _word_pointer(context, builder, signature.args[0], args[0], args[1]),
                ir.PointerType(ir.IntType(8)),
            )
            i32 = ir.IntType(32)
            request = builder.module.declare_intrinsic(
                "llvm.prefetch", [line.type], ir.FunctionType(ir.VoidType(), [line.type, i32, i32, i32])
            )
            builder.call(request, [line, i32(0), i32(3), i32(1)])  # to read, keep it, data
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

else:

    def load_acquire(words: Any, index: int) -> int:
        """Read a word (plain: the JIT is off)."""
        return int(words[index])

    def store_release(words: Any, index: int, value: int) -> None:
        """Write a word (plain: the JIT is off)."""
        words[index] = value

    def compare_exchange(words: Any, index: int, old: int, new: int) -> bool:
        """Write `new` if the word holds `old` (plain: the JIT is off)."""
        if words[index] != old:
            return False
        words[index] = new
        return True

    def full_fence() -> None:
        """Do nothing: the JIT is off."""

    def copy_line(source: Any, begin: int, target: Any, target_begin: int) -> None:
        """Copy 8 words from `begin` on."""
        target[target_begin : target_begin + 8] = source[begin : begin + 8]

    def pause() -> None:
        """Do nothing: the JIT is off."""

    def prefetch(array: Any, index: int) -> None:
        """Do nothing: the JIT is off."""

    def crc32c_word(crc: int, word: int) -> int:
        """Take 8 more bytes into a CRC32C (not inverted)."""
        data = (int(word) & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little")
        return int(google_crc32c.extend(int(crc) ^ 0xFFFF_FFFF, data)) ^ 0xFFFF_FFFF

    def write_at(descriptor: int, words: Any, size: int, offset: int) -> int:
        """Write `size` bytes of an array into a file at `offset`; return how many were written."""
        return os.pwrite(descriptor, words.view(np.uint8)[:size], offset)

    def lowest_bit(word: int) -> int:
        """Return the place, 0 to 63, of the lowest bit that is set in a word that is not 0."""
        return (int(word) & -int(word)).bit_length() - 1
