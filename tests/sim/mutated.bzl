"""mutated_binary: a program with everything under it compiled with COREWAL_MUTATIONS.

The rooms have no second set of targets for it, and no ordinary build knows the define: it exists
only below this rule, in a configuration (and an output folder) of its own.
"""

def _with_mutations_impl(settings, _attr):
    return {"//command_line_option:copt": settings["//command_line_option:copt"] + ["-DCOREWAL_MUTATIONS"]}

_with_mutations = transition(
    implementation = _with_mutations_impl,
    inputs = ["//command_line_option:copt"],
    outputs = ["//command_line_option:copt"],
)

def _mutated_binary_impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name)
    binary = ctx.attr.binary[0][DefaultInfo]
    ctx.actions.symlink(output = program, target_file = binary.files_to_run.executable, is_executable = True)
    return [DefaultInfo(
        executable = program,
        files = depset([program]),
        runfiles = ctx.runfiles([program]).merge(binary.default_runfiles),
    )]

mutated_binary = rule(
    implementation = _mutated_binary_impl,
    attrs = {
        "binary": attr.label(cfg = _with_mutations, executable = True, mandatory = True),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
)
