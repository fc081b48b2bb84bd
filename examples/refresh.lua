-- For wrk: refreshes with random cookies from random addresses, PACE_MS between two of a connection.
-- TOKEN_CHARS: 86 is the length of a refresh token, 43 that of tokens of earlier versions.
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
local pace = tonumber(os.getenv("PACE_MS") or "17")
local length = tonumber(os.getenv("TOKEN_CHARS") or "86")

function init() math.randomseed(os.time()) end

function delay() return pace end

function request()
  local token = {}
  for i = 1, length do
    local k = math.random(#alphabet)
    token[i] = alphabet:sub(k, k)
  end
  local byte = function(from) return math.random(from, 223) end
  local address = table.concat({ byte(1), byte(0), byte(0), byte(1) }, ".")
  return wrk.format("POST", "/api/auth/refresh",
    { ["Cookie"] = "refresh_token=" .. table.concat(token), ["X-Forwarded-For"] = address })
end
