"""What Geary's account editor finds for a domain: its own look-up, of the library that comes
with it. A line for each server."""
import ctypes
import glob
import os
import sys

glib = ctypes.CDLL("libglib-2.0.so.0")
gio = ctypes.CDLL("libgio-2.0.so.0")
client = ctypes.CDLL(glob.glob("/usr/lib/*/geary/libgeary-client-*.so")[0])

pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
finished = ctypes.CFUNCTYPE(None, pointer, pointer, pointer)


def function(library, name, result, *arguments):
    f = library[name]
    f.restype, f.argtypes = result, arguments
    return f


class Error(ctypes.Structure):
    _fields_ = [("domain", ctypes.c_uint32), ("code", number), ("message", text)]


cancellable = function(gio, "g_cancellable_new", pointer)()
lookup = function(client, "accounts_auto_config_new", pointer, pointer)(cancellable)
finish = function(client, "accounts_auto_config_get_config_finish", pointer, pointer, pointer, ctypes.POINTER(ctypes.POINTER(Error)))
loop = function(glib, "g_main_loop_new", pointer, pointer, number)(None, 0)


@finished
def done(_, result, __):
    error = ctypes.POINTER(Error)()
    found = finish(lookup, result, ctypes.byref(error))
    if not found:
        print(error.contents.message.decode(), file=sys.stderr)
    else:
        def value(name, kind=text):
            v = function(client, "accounts_auto_config_values_get_" + name, kind, pointer)(found)
            return v.decode() if kind is text else v
        for protocol in ("imap", "smtp"):
            security = {0: "plain", 1: "STARTTLS", 2: "SSL"}[value(protocol + "_tls_method", number)]
            host = value(protocol + "_server")
            if host == host.strip():  # otherwise no host can have that name
                print(protocol, host + ":" + value(protocol + "_port"), security)
    sys.stdout.flush()
    os._exit(0)


function(client, "accounts_auto_config_get_config", None, pointer, text, finished, pointer)(lookup, sys.argv[1].encode(), done, None)
function(glib, "g_main_loop_run", None, pointer)(loop)
