// The image's health check: exit code 0 when the service is ready, else 1 and the reasons.
import { get } from 'node:http'

const PORT = 3000

const end = (code, text) => {
  process.stdout.write(text)
  process.exitCode = code
}

get({ host: '127.0.0.1', port: PORT, path: '/readyz', timeout: 8_000 }, (response) => {
  let body = ''
  response.setEncoding('utf8')
  response.on('data', (text) => (body += text))
  response.on('end', () => end(response.statusCode === 200 ? 0 : 1, body))
})
  .on('timeout', function () {
    this.destroy(new Error('no answer in time'))
  })
  .on('error', (error) => end(1, error.message))
