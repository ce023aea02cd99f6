"""Calls from kernel to kernel that do not compile the callee again.

numba links what a kernel calls into it, and has LLVM optimise all of it once more: of kernels that call each other ten
deep, the innermost are compiled ten times. A kernel that is called by its address is compiled once. It cannot be made
part of its caller then, so that this is for large ones. An address is that of this process; it is passed when the
kernels run, and cached code knows none.
"""

from __future__ import annotations

from typing import Any

import numba
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def _call(typing_context: Any, address: Any, kernel: Any, arguments: Any) -> Any:
    """Call ``kernel``, a dispatcher, at ``address`` with a tuple of arguments."""
    template, _, given, _ = kernel.dispatcher.get_call_template(tuple(arguments), {})
    inner = template(typing_context).apply(given, {})
    signature = inner.return_type(address, kernel, arguments)

    def generate(context: Any, builder: Any, _: Any, values: Any) -> Any:
        unpacked = [builder.extract_value(values[2], place) for place in range(len(arguments))]
        cast = [
            context.cast(builder, value, source, target)
            for value, source, target in zip(unpacked, arguments, inner.args, strict=True)
        ]
        kind = context.call_conv.get_function_type(inner.return_type, inner.args)
        function = builder.inttoptr(values[0], kind.as_pointer())
        status, result = context.call_conv.call_function(builder, function, inner.return_type, inner.args, cast)
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return result

    return signature, generate


def _called(_: int, kernel: Any, arguments: tuple[Any, ...]) -> Any:
    """The same as Python."""
    return kernel(*arguments)


call = _called if numba.config.DISABLE_JIT else _call
"""``call(address, kernel, arguments)`` inside a kernel is ``kernel(*arguments)``."""


def address_of(kernel: Any) -> int:
    """Where a kernel is in this process; it has been compiled, for one kind of arguments."""
    if numba.config.DISABLE_JIT:
        return 0
    (compiled,) = kernel.overloads.values()
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


SEARCH, BOX, CHOOSE, SPHERE, RAISE, ROUNDED, LEAF, CONE, HULL, START, IMPROVE, IMPROVE_RULED = range(12)
"""Places in an array of addresses (`addresses`)."""
