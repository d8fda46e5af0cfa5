import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  ensureFolder,
  folders as foldersOf,
  freePorts,
  startProcess,
  waitUntilReady,
  weirHome,
  type Folders,
} from '@weir/local-stack'
import { PROXY_ADDRESS } from './rig.ts'

export type ProxyName = 'nginx' | 'haproxy'

/** A real proxy before one ingress. */
export interface HttpProxy {
  readonly port: number
  /** With TLS, which asks clients for a certificate; nginx only. */
  readonly tlsPort: number
  /** Requests that it has passed on, as it counts them itself. */
  forwarded(): number
  stop(): Promise<void>
}

const execute = promisify(execFile)
const APT_MS_MAX = 120_000
const PACKAGES = ['nginx', 'haproxy', 'liblua5.3-0', 'libopentracing-c-wrapper0', 'libopentracing1']

/** Debian's packages, unpacked below WEIR_HOME and not installed: that needs no rights. */
const fetched = async (): Promise<string> => {
  const folder = join(foldersOf(weirHome()).downloads, 'http-proxies')
  await ensureFolder(folder, async (temporary) => {
    const options = { cwd: temporary, timeout: APT_MS_MAX }
    // As root apt would download as a user who may not write here.
    await execute('apt-get', ['download', '-o', 'APT::Sandbox::User=root', ...PACKAGES], options)
    for (const name of readdirSync(temporary).filter((one) => one.endsWith('.deb'))) {
      await execute('dpkg-deb', ['-x', name, '.'], options)
    }
  })
  return folder
}

interface Program {
  readonly command: string
  readonly libraries?: string
}

/** A text says why there is none. */
const find = async (name: ProxyName): Promise<Program | string> => {
  const installed = `/usr/sbin/${name}`
  if (existsSync(installed)) return { command: installed }
  try {
    const folder = await fetched()
    const lib = join(folder, 'usr/lib')
    const [architecture = ''] = readdirSync(lib).filter((one) => one.includes('linux'))
    return { command: join(folder, installed), libraries: join(lib, architecture) }
  } catch (error) {
    return `${name} could not be had from Debian: ${(error as Error).message.split('\n')[0]}`
  }
}

const nginxConfig = (folder: string, port: number, tlsPort: number, ingressPort: number): string => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/errors.log;
events {}
http {
  log_format forwarded 'REQ $upstream_addr';
  access_log ${folder}/forwarded.log forwarded;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  underscores_in_headers on;
  upstream weir { server 127.0.0.1:${ingressPort}; keepalive 4; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_bind ${PROXY_ADDRESS};
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://weir; proxy_request_buffering off; }
  }
  server {
    listen 127.0.0.1:${tlsPort} ssl;
    ssl_certificate ${folder}/server.pem;
    ssl_certificate_key ${folder}/server.key;
    ssl_client_certificate ${folder}/ca.pem;
    ssl_verify_client optional;
    location / { proxy_pass http://weir; proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn; }
  }
}
`

const haproxyConfig = (port: number, ingressPort: number): string => `
global
  log stdout format raw daemon
defaults
  mode http
  log global
  log-format "REQ %s"
  retries 0
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:${port}
  default_backend weir
backend weir
  http-reuse always
  server ingress 127.0.0.1:${ingressPort} source ${PROXY_ADDRESS}
`

/** One line a request: nginx names each address that it tried, HAProxy its server. */
const FORWARDED: Readonly<Record<ProxyName, RegExp>> = {
  nginx: /127\.0\.0\.1:\d+/g,
  haproxy: /^REQ ingress$/gm,
}

/** Before one ingress; a text says why there is none. Whose certificates nginx asks for, `certificateOf` says. */
export const startHttpProxy = async (name: ProxyName, ingressPort: number): Promise<HttpProxy | string> => {
  const program = await find(name)
  if (typeof program === 'string') return program
  const under = `security-${name}-${process.pid}`
  const folders: Folders = foldersOf(weirHome(), under)
  for (const folder of [folders.state, folders.run, folders.logs]) mkdirSync(folder, { recursive: true })
  const [port, tlsPort] = (await freePorts(2)) as [number, number]
  const config = join(folders.state, `${name}.conf`)
  const isNginx = name === 'nginx'
  if (isNginx) await makeCertificates(folders.state)
  writeFileSync(
    config,
    isNginx ? nginxConfig(folders.state, port, tlsPort, ingressPort) : haproxyConfig(port, ingressPort),
  )
  const logFile = join(folders.logs, `${name}.log`)
  const child = startProcess(folders.run, {
    name,
    command: program.command,
    args: isNginx ? ['-c', config, '-p', folders.state, '-g', userDirective()] : ['-db', '-f', config],
    env: { LD_LIBRARY_PATH: program.libraries },
    logFile,
  })
  await waitUntilReady(child, () => isListening(port))
  const counts = isNginx ? join(folders.state, 'forwarded.log') : logFile
  return {
    port,
    tlsPort,
    forwarded: () => [...readFileSync(counts, 'latin1').matchAll(FORWARDED[name])].length,
    stop: async () => {
      await child.stop()
      rmSync(join(weirHome(), under), { recursive: true, force: true })
    },
  }
}

/** As root nginx would change to a user who may not write into the folder. */
const userDirective = (): string => (process.getuid?.() === 0 ? 'user root;' : '')

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', reject)
  })

export interface ClientCertificate {
  readonly ca: Buffer
  readonly cert: Buffer
  readonly key: Buffer
}

/** Of the sender that the source `certified` lists, and of another one. */
export const certificateOf = (who: 'sender' | 'other'): ClientCertificate => {
  const { state } = foldersOf(weirHome(), `security-nginx-${process.pid}`)
  const read = (file: string): Buffer => readFileSync(join(state, file))
  return { ca: read('ca.pem'), cert: read(`${who}.pem`), key: read(`${who}.key`) }
}

const makeCertificates = async (folder: string): Promise<void> => {
  const openssl = (command: string) =>
    execute('openssl', command.split(' '), { cwd: folder, timeout: 30_000 })
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
  await openssl(`req -x509 ${key} -keyout ca.key -out ca.pem -subj /CN=authority -days 1`)
  const names = { server: '/CN=127.0.0.1', sender: '/O=Acme/CN=sender', other: '/O=Acme/CN=other' }
  for (const [name, subject] of Object.entries(names)) {
    await openssl(`req ${key} -keyout ${name}.key -out ${name}.csr -subj ${subject}`)
    await openssl(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out ${name}.pem -days 1`,
    )
  }
}
