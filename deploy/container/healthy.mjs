// The image's health check: exit code 0 when the service is ready, else 1 and the reasons.
import { get } from 'node:http'

/** Of ingress, and of every other service. */
const PORTS = [Number(process.env.INGRESS_PROBE_PORT || 3000), 3000]

const end = (code, text) => {
  process.stdout.write(text)
  process.exitCode = code
}

const ask = ([port, ...others]) => {
  get({ host: '127.0.0.1', port, path: '/readyz', timeout: 8_000 }, (response) => {
    let body = ''
    response.setEncoding('utf8')
    response.on('data', (text) => (body += text))
    response.on('end', () => end(response.statusCode === 200 ? 0 : 1, body))
  })
    .on('timeout', function () {
      this.destroy(new Error('no answer in time'))
    })
    .on('error', (error) => {
      if (error.code === 'ECONNREFUSED' && others.length > 0) ask(others)
      else end(1, error.message)
    })
}
ask(PORTS)
