"""Calls from kernel to kernel that do not compile the callee again.

numba links what a kernel calls into it, and has LLVM optimise all of it once more: of kernels that call each other ten
deep, the innermost are compiled ten times. A kernel that is called by its address is compiled once. It cannot be made
part of its caller then, so that this is for large ones. An address is that of this process; it is passed when the
kernels run, and cached code knows none.
"""

from __future__ import annotations

from typing import Any

import numba
import numba.core.types
from numba.extending import intrinsic

KINDS: Any = numba.core.types
EXPECTED: dict[str, set[Any]] = {}
"""What kinds of arguments kernels that are compiled later will be given, by their names."""


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def _call(typing_context: Any, address: Any, kernel: Any, *arguments: Any) -> Any:
    """Call ``kernel``, a dispatcher, at ``address``; it is compiled now, if it is not."""
    template, _, given, _ = kernel.dispatcher.get_call_template(arguments, {})
    inner = template(typing_context).apply(given, {})
    passed = KINDS.StarArgTuple(arguments)  # not a tuple of the caller's: that would count references to each array
    return inner.return_type(address, kernel, passed), _calling(inner.return_type, inner.args, arguments)


@intrinsic  # type: ignore[untyped-decorator]
def _call_later(_: Any, address: Any, kernel: Any, like: Any, *arguments: Any) -> Any:
    """The same of a kernel that is compiled when it is needed, with a result of the kind of ``like``."""
    given = tuple(KINDS.unliteral(argument) for argument in arguments)
    EXPECTED.setdefault(kernel.dispatcher.py_func.__name__, set()).add(given)
    result = KINDS.unliteral(like)
    if isinstance(like, KINDS.BaseTuple):
        result = KINDS.Tuple([KINDS.unliteral(part) for part in like])
    return result(address, kernel, like, KINDS.StarArgTuple(arguments)), _calling(result, given, arguments)


def _calling(result: Any, given: Any, arguments: Any) -> Any:
    """The code of such a call."""

    def generate(context: Any, builder: Any, _: Any, values: Any) -> Any:
        cast = [
            context.cast(builder, builder.extract_value(values[-1], place), source, target)
            for place, (source, target) in enumerate(zip(arguments, given, strict=True))
        ]
        kind = context.call_conv.get_function_type(result, given)
        function = builder.inttoptr(values[0], kind.as_pointer())
        status, found = context.call_conv.call_function(builder, function, result, given, cast)
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return found

    return generate


def _called(_: int, kernel: Any, *arguments: Any) -> Any:
    """The same as Python."""
    return kernel(*arguments)


def _called_later(_: int, kernel: Any, __: Any, *arguments: Any) -> Any:
    """The same as Python."""
    return kernel(*arguments)


call = _called if numba.config.DISABLE_JIT else _call
"""``call(address, kernel, *arguments)`` inside a kernel is ``kernel(*arguments)``."""
call_later = _called_later if numba.config.DISABLE_JIT else _call_later
"""``call_later(address, kernel, like, *arguments)``, of a kernel that need not be compiled yet."""


def address_of(kernel: Any) -> int:
    """Where a kernel is in this process; it has been compiled, for one kind of arguments."""
    if numba.config.DISABLE_JIT:
        return 0
    ((kinds, compiled),) = kernel.overloads.items()
    expected = EXPECTED.get(kernel.py_func.__name__, {kinds})
    if expected != {kinds}:
        raise TypeError(f"{kernel.py_func.__name__} is for arguments {kinds}, and is called with {expected}")
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


SEARCH, BOX, CHOOSE, SPHERE, RAISE, ROUNDED, LEAF, CONE, HULL, START, IMPROVE, IMPROVE_RULED = range(12)
"""Places in an array of addresses (`addresses`)."""
