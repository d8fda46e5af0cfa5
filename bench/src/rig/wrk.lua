-- Sends prepared requests one after the other; prints what it measured as JSON.
local requests, at = {}, 0

function init(args)
  local bytes_each = tonumber(args[2])
  local all = io.open(args[1], "rb"):read("*a")
  for from = 1, #all, bytes_each do
    requests[#requests + 1] = all:sub(from, from + bytes_each - 1)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\n{"perSec":%f,"errors":%d,"p50Ms":%f,"p99Ms":%f,"p999Ms":%f}\n',
    summary.requests / summary.duration * 1e6, bad,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3
  ))
end
