import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { describeSettings, KAFKA_SETTINGS, loadSettings } from '../index.ts'

const folder = mkdtempSync(join(tmpdir(), 'weir-tls-'))
afterAll(() => rmSync(folder, { recursive: true }))
const [keyFile, certFile] = [join(folder, 'key'), join(folder, 'cert')]
let missing: string | undefined
try {
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  execFileSync('openssl', [...args, '-subj', '/CN=weir', '-keyout', keyFile, '-out', certFile], {
    stdio: 'ignore',
  })
} catch (error) {
  missing = `there is no openssl (${(error as NodeJS.ErrnoException).code})`
  process.stderr.write(`settings of TLS are not tested: ${missing}\n`)
}

describe.skipIf(missing !== undefined)('TLS to the brokers', () => {
  const [cert, key] = missing === undefined ? [certFile, keyFile].map((one) => readFileSync(one, 'utf8')) : []
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const otherKey = other.export({ type: 'pkcs8', format: 'pem' }).toString()
  const load = (env: Record<string, string>) =>
    loadSettings(KAFKA_SETTINGS, { KAFKA_BROKERS: 'b:9093', KAFKA_SSL: 'true', ...env })

  it('takes PEM from a file, or from a variable whose lines end in \\n, and shows none of it', () => {
    const fromFiles = load({
      KAFKA_SSL_CA_FILE: certFile,
      KAFKA_SSL_CERT_FILE: certFile,
      KAFKA_SSL_KEY_FILE: keyFile,
    })
    const oneLine = (text: string) => text.replaceAll('\n', '\\n')
    const fromText = load({
      KAFKA_SSL_CA: oneLine(cert!),
      KAFKA_SSL_CERT: cert!,
      KAFKA_SSL_KEY: oneLine(key!),
    })
    expect(fromText).toEqual(fromFiles)
    expect(fromFiles.kafkaKey).toContain('PRIVATE KEY')
    const shown = describeSettings(KAFKA_SETTINGS, fromFiles)
    expect(shown).toMatchObject({ kafkaCa: 'set', kafkaCert: 'set', kafkaKey: 'set' })
    expect(describeSettings(KAFKA_SETTINGS, load({}))).toMatchObject({ kafkaCa: 'unset', kafkaKey: 'unset' })
    expect(JSON.stringify(shown)).not.toContain('BEGIN')
  })

  it.each([
    [{ KAFKA_SSL_CA: 'nonsense' }, 'KAFKA_SSL_CA is set: must be certificates in PEM'],
    [
      { KAFKA_SSL_CA: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
      'KAFKA_SSL_CA is set: must be',
    ],
    [{ KAFKA_SSL_CA_FILE: '/nowhere/ca' }, 'KAFKA_SSL_CA_FILE: cannot read /nowhere/ca (ENOENT)'],
    [{ KAFKA_SSL_CERT_FILE: certFile }, 'only one of KAFKA_SSL_CERT and KAFKA_SSL_KEY is set'],
    [{ KAFKA_SSL_KEY_FILE: keyFile }, 'only one of KAFKA_SSL_CERT and KAFKA_SSL_KEY is set'],
    [{ KAFKA_SSL_CERT_FILE: certFile, KAFKA_SSL_KEY: otherKey }, 'KAFKA_SSL_KEY does not match'],
    [
      { KAFKA_SSL_CERT_FILE: certFile, KAFKA_SSL_KEY_FILE: certFile },
      'KAFKA_SSL_KEY is set: must be a private key',
    ],
    [{ KAFKA_SSL: 'false', KAFKA_SSL_CA_FILE: certFile }, 'KAFKA_SSL_CA is set and KAFKA_SSL is false'],
  ])('does not start with %j', (env, message) => {
    let said = ''
    try {
      load(env)
    } catch (error) {
      said = (error as Error).message
    }
    expect(said).toContain(message)
    expect(said).not.toContain('PRIVATE')
  })

  it('a file with a certificate and a key gives each setting its own', () => {
    const both = join(folder, 'both')
    writeFileSync(both, key! + cert!)
    expect(load({ KAFKA_SSL_CERT_FILE: both, KAFKA_SSL_KEY_FILE: both })).toMatchObject(
      load({ KAFKA_SSL_CERT: cert!, KAFKA_SSL_KEY: key! }),
    )
  })
})
