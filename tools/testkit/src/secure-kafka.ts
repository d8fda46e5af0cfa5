import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findJava, freePorts, startKafka, type Folders } from '@weir/local-stack'

/** A pair of PEM files, as texts. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

interface IdentityOptions {
  /** Names and addresses of the server, as openssl takes them. */
  readonly names?: string
  /** Of validity; below 0: the certificate has expired. */
  readonly days?: number
}

export interface SecureKafka {
  /** Without TLS and passwords, for its administrator alone. */
  readonly plain: string
  /** TLS; the broker asks for a certificate of its authority. */
  readonly tls: string
  /** TLS and SASL SCRAM. */
  readonly sasl: string
  readonly ca: string
  /** Signed by its authority, with this name. */
  identity(name: string, options?: IdentityOptions): Identity
  /** Signed with none of its keys. */
  readonly stranger: Identity
  /** The authority that has signed `stranger`. */
  readonly strangerCa: string
  close(): Promise<void>
}

const openssl = (...args: readonly string[]): void => {
  execFileSync('openssl', args, { stdio: 'ignore' })
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'] as const

/** An authority and what it signs, in a folder. */
const authorityIn = (folder: string, name: string) => {
  const file = (what: string): string => join(folder, `${name}-${what}.pem`)
  openssl('req', '-x509', ...EC, '-subj', `/CN=${name}`, '-keyout', file('ca-key'), '-out', file('ca'))
  const identity = (
    of: string,
    { names = 'DNS:localhost,IP:127.0.0.1', days = 2 }: IdentityOptions = {},
  ): Identity => {
    const [key, request, cert, extensions] = ['key', 'request', 'cert', 'extensions'].map((what) =>
      file(`${of}-${what}`),
    ) as [string, string, string, string]
    writeFileSync(extensions, `subjectAltName=${names}\n`)
    openssl('req', ...EC.slice(0, 5), '-subj', `/CN=${of}`, '-keyout', key, '-out', request)
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      file('ca'),
      '-CAkey',
      file('ca-key'),
      '-CAcreateserial',
      '-days',
      String(days),
      '-extfile',
      extensions,
      '-out',
      cert,
    )
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  }
  return { identity, ca: readFileSync(file('ca'), 'utf8'), caFile: file('ca') }
}

/** A broker with TLS, TLS with client certificates and SASL SCRAM, and further properties. */
export const secureKafka = async (
  folders: Folders,
  users: Readonly<Record<string, string>>,
  properties: Readonly<Record<string, string>> = {},
): Promise<SecureKafka> => {
  const java = await findJava()
  if (java === undefined) throw new Error('there is no Java 17')
  const folder = join(folders.state, 'tls')
  mkdirSync(folder, { recursive: true })
  const { identity, ca, caFile } = authorityIn(folder, 'weir')
  const broker = identity('broker')
  const keyStore = join(folder, 'broker.pem')
  writeFileSync(keyStore, broker.key + broker.cert)
  const [port, controllerPort, tlsPort, saslPort] = (await freePorts(4)) as [number, number, number, number]
  const listeners = { PLAINTEXT: port, SSL: tlsPort, SASL_SSL: saslPort }
  const addresses = Object.entries(listeners).map(([name, at]) => `${name}://127.0.0.1:${at}`)
  const mechanisms = ['SCRAM-SHA-512', 'SCRAM-SHA-256']
  const server = await startKafka({
    folders,
    java,
    port,
    controllerPort,
    format: Object.entries(users).flatMap(([name, password]) =>
      mechanisms.flatMap((one) => ['--add-scram', `${one}=[name=${name},password=${password}]`]),
    ),
    properties: {
      listeners: [...addresses, `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
      'advertised.listeners': addresses.join(','),
      'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': keyStore,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': caFile,
      'listener.name.ssl.ssl.client.auth': 'required',
      'sasl.enabled.mechanisms': mechanisms.join(','),
      ...Object.fromEntries(
        mechanisms.map((one) => [
          `listener.name.sasl_ssl.${one.toLowerCase()}.sasl.jaas.config`,
          'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        ]),
      ),
      ...properties,
    },
  })
  const stranger = authorityIn(folder, 'stranger')
  return {
    plain: `127.0.0.1:${port}`,
    tls: `127.0.0.1:${tlsPort}`,
    sasl: `127.0.0.1:${saslPort}`,
    ca,
    identity,
    stranger: stranger.identity('stranger'),
    strangerCa: stranger.ca,
    close: () => server.stop(),
  }
}
