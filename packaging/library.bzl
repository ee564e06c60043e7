"""What Bazel 4.2's own rules lack: one archive of a library with all it is made of, and its headers."""

def _whole_archive_impl(ctx):
    objects = []
    for linker_input in ctx.attr.library[CcInfo].linking_context.linker_inputs.to_list():
        for library in linker_input.libraries:
            # Position independent, so that a host may link the archive into a library of its own.
            objects += library.pic_objects
    archive = ctx.actions.declare_file(ctx.attr.name)
    arguments = ctx.actions.args()
    arguments.add(archive)
    arguments.add_all(objects)
    ctx.actions.run_shell(
        # D: no times and owners, so that equal sources make equal archives.
        command = "archive=$1; shift; rm -f \"$archive\"; ar rcsD \"$archive\" \"$@\"",
        arguments = [arguments],
        inputs = objects,
        outputs = [archive],
        mnemonic = "WholeArchive",
    )
    return [DefaultInfo(files = depset([archive]), runfiles = ctx.runfiles(files = [archive]))]

whole_archive = rule(
    doc = "An archive of every object file of `library` and of what it depends on in this workspace.",
    implementation = _whole_archive_impl,
    attrs = {"library": attr.label(mandatory = True, providers = [CcInfo])},
)

def _headers_impl(ctx):
    headers = depset(transitive = [
        library[CcInfo].compilation_context.headers
        for library in ctx.attr.libraries
    ])
    files = [header for header in headers.to_list() if header.is_source]
    return [DefaultInfo(files = depset(files), runfiles = ctx.runfiles(files = files))]

transitive_headers = rule(
    doc = "The headers of `libraries` and of what they depend on.",
    implementation = _headers_impl,
    attrs = {"libraries": attr.label_list(mandatory = True, providers = [CcInfo])},
)
