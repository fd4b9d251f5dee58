"""What Evolution's account assistant finds for an address: its own look-ups, of the libraries
that come with it. A line for each server."""
import configparser
import ctypes
import os
import sys

LIBRARIES = "/usr/lib/evolution/"
glib = ctypes.CDLL("libglib-2.0.so.0")
camel = ctypes.CDLL("libcamel-1.2.so.64", mode=ctypes.RTLD_GLOBAL)
server = ctypes.CDLL("libedataserver-1.2.so.27", mode=ctypes.RTLD_GLOBAL)
shared = {name: ctypes.CDLL(LIBRARIES + "libevolution-%s.so.0" % name, mode=ctypes.RTLD_GLOBAL)
          for name in ("util", "shell", "mail-formatter")}
ctypes.CDLL(LIBRARIES + "libemail-engine.so.0", mode=ctypes.RTLD_GLOBAL)
mail = ctypes.CDLL(LIBRARIES + "libevolution-mail.so.0", mode=ctypes.RTLD_GLOBAL)

pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int


def function(library, name, result, *arguments):
    f = library[name]
    f.restype, f.argtypes = result, arguments
    return f


class List(ctypes.Structure):
    pass


List._fields_ = [("item", pointer), ("next", ctypes.POINTER(List))]

address = sys.argv[1].encode()
function(camel, "camel_init", number, text, number)((os.environ["HOME"] + "/camel").encode(), 0)
registry = function(server, "e_source_registry_new_sync", pointer, pointer, pointer)(None, None)
if not registry:
    sys.exit("Evolution's registry does not start")
function(shared["util"], "e_module_load_file", pointer, text)((LIBRARIES + "modules/module-config-lookup.so").encode())


def source(kind):
    s = function(server, "e_source_new", pointer, pointer, pointer, pointer)(None, None, None)
    function(server, "e_source_get_extension", pointer, pointer, text)(s, b"Mail Transport" if kind == "smtp" else b"Mail Account")
    return s


def line(protocol, s):
    keys = configparser.ConfigParser(interpolation=None)
    keys.read_string(function(server, "e_source_to_string", text, pointer, pointer)(s, None).decode())
    login = keys["Authentication"]
    security = {"ssl-on-alternate-port": "SSL", "starttls-on-standard-port": "STARTTLS", "none": "plain"}[keys["Security"]["Method"]]
    return "%s %s:%s %s %s" % (protocol, login["Host"], login["Port"], security, login["User"])


loop = function(glib, "g_main_loop_new", pointer, pointer, number)(None, 0)
util = shared["util"]
lookup = function(util, "e_config_lookup_new", pointer, pointer)(registry)
asked = function(util, "e_named_parameters_new", pointer)()
for name in (b"email-address", b"user"):
    function(util, "e_named_parameters_set", None, pointer, text, text)(asked, name, address)
finished = ctypes.CFUNCTYPE(None, pointer, pointer, pointer)


@finished
def done(_, result, __):
    function(util, "e_config_lookup_run_finish", None, pointer, pointer)(lookup, result)
    function(glib, "g_main_loop_quit", None, pointer)(loop)


function(util, "e_config_lookup_run", None, pointer, pointer, pointer, finished, pointer)(lookup, asked, None, done, None)
function(glib, "g_main_loop_run", None, pointer)(loop)
found = {}  # the best result of a kind, as the assistant compares them
compare = function(util, "e_config_lookup_result_compare", number, pointer, pointer)
item = function(util, "e_config_lookup_dup_results", ctypes.POINTER(List), pointer, number, text)(lookup, 0, None)
while item:
    result, item = item.contents.item, item.contents.next
    kind = function(util, "e_config_lookup_result_get_kind", number, pointer)(result)
    if kind not in found or compare(result, found[kind]) < 0:
        found[kind] = result
for kind in (2, 3):  # receiving, sending
    if kind in found:
        protocol = function(util, "e_config_lookup_result_get_protocol", text, pointer)(found[kind]).decode()
        protocol = {"imapx": "imap", "pop": "pop3"}.get(protocol, protocol)
        s = source(protocol)
        function(util, "e_config_lookup_result_configure_source", number, pointer, pointer, pointer)(found[kind], lookup, s)
        print(line(protocol, s))
sys.stdout.flush()
os._exit(0)
