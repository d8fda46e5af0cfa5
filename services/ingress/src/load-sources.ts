import {
  isSigned,
  openAccess,
  readSourcesFile,
  settingName,
  SOURCES,
  type ReadText,
  type SettingsEnvironment,
  type SourceAccess,
  type SourceDefinition,
} from '@weir/sources'

export interface SourcesConfig {
  readonly profile: 'production' | 'dev'
  /** Proxies that may say which client certificate they have seen. */
  readonly trustedProxies: readonly string[]
  /** Undefined: the sources that are there without a file, as far as they are set up. */
  readonly sourcesFile?: string | undefined
  readonly sourceEnv: SettingsEnvironment
}

export interface LoadedSources {
  /** Empty when there are problems. */
  readonly accesses: readonly SourceAccess[]
  /** Why these sources cannot be used; every one of them, for a person. */
  readonly problems: readonly string[]
  /** The files that all this came from: when one changes, load again. */
  readonly files: readonly string[]
}

const SECRET_LENGTH_MIN = 16

/** The sources that are on, with their secrets. */
export const loadSources = (
  { profile, trustedProxies, sourcesFile, sourceEnv }: SourcesConfig,
  readText: ReadText,
): LoadedSources => {
  const read = readSourcesFile(sourcesFile, readText)
  const opened = read.sources.map((source) => ({
    source,
    ...openAccess(source, sourceEnv, readText),
  }))
  const accesses = opened.flatMap(({ access }) => access ?? [])
  const problems = [...read.problems, ...opened.flatMap((one) => one.problems)]
  if (sourcesFile !== undefined) {
    const idle = opened.filter(
      ({ source, access, problems: own }) =>
        read.named.has(source.name) && access === undefined && own.length === 0,
    )
    problems.push(
      ...idle.map(({ source }) => `${sourcesFile}: sources.${source.name}: ${howToTurnOn(source)}`),
    )
  } else if (accesses.length === 0 && problems.length === 0) {
    problems.push(`No source is on: ${howToTurnAnyOn()}.`)
  }
  if (trustedProxies.length === 0) problems.push(...opened.flatMap(({ source }) => proxyless(source)))
  if (profile === 'production')
    problems.push(...accesses.flatMap(weakSecrets), ...accesses.flatMap(plainKeys))
  return {
    accesses: problems.length > 0 ? [] : accesses,
    problems,
    files: [
      ...new Set([
        ...(sourcesFile === undefined ? [] : [sourcesFile]),
        ...opened.flatMap(({ files }) => files),
      ]),
    ],
  }
}

const howToTurnOn = ({ name, verifier, jwt }: SourceDefinition): string => {
  if (jwt !== undefined && jwt.jwksUrl === undefined)
    return `its tokens need keys: give ${settingName(name, 'JWT_KEYS')} or jwt.jwksUrl`
  if (isSigned(verifier)) return `it has no secrets: give ${settingName(name, 'SECRETS')}, or take it out`
  const token =
    verifier.kind === 'address' && verifier.tokenSuffices ? ` or ${settingName(name, 'TOKEN')}` : ''
  return `anybody could send to it: give cidrs or ${settingName(name, 'CIDRS')}${token}, or write \`unsigned: true\``
}

const howToTurnAnyOn = (): string => {
  const names = SOURCES.map(({ name, verifier }) =>
    settingName(name, isSigned(verifier) ? 'SECRETS' : 'CIDRS'),
  )
  return `give ${names.slice(0, -1).join(', ')} or ${names.at(-1)!}`
}

const weakSecrets = ({ source, secrets }: SourceAccess): string[] =>
  secrets.every((secret) => secret.length >= SECRET_LENGTH_MIN)
    ? []
    : [
        `${settingName(source.name, 'SECRETS')}: a secret has fewer than ${SECRET_LENGTH_MIN} characters: use 32 random bytes.`,
      ]

const proxyless = ({ name, clientCertificate }: SourceDefinition): string[] =>
  clientCertificate === undefined
    ? []
    : [
        `sources.${name}.clientCertificate: header is ${clientCertificate.header} and INGRESS_TRUSTED_PROXIES is empty: ` +
          'no proxy is trusted to report a certificate. Give INGRESS_TRUSTED_PROXIES the address of the proxy that ends TLS, or take clientCertificate out.',
      ]

const plainKeys = ({ source: { name, jwt } }: SourceAccess): string[] =>
  jwt?.jwksUrl?.startsWith('http://') === true
    ? [
        `sources.${name}.jwt.jwksUrl: ${jwt.jwksUrl} begins with http://: anyone on the network path could replace the keys. Use https://.`,
      ]
    : []
