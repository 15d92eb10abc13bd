-- What a script may use inside Redis and Valkey: no os, no io, no print, no loading of files.
stds.server = {
  read_globals = {
    "ARGV", "KEYS", "redis",
    "bit", "cjson", "cmsgpack", "struct",
    "math", "string", "table",
    "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawset",
    "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall",
  },
}
std = "server"
max_line_length = 160
