import {
  PROFILE_SETTINGS,
  refusedRisks,
  setting,
  takenRisks,
  type ConfigOf,
  type Environment,
  type RiskFinding,
  type Settings,
} from '@weir/runtime'
import { environment, load, tellRisk } from '../../config.ts'

const DEFAULT_HOST = 'api-us-1.cxone.com'

export const REGISTRATION_SETTINGS = {
  ...PROFILE_SETTINGS,
  instance: {
    env: 'CXONE_INSTANCE',
    schema: setting.optionalText(),
    help: "Host of the provider's API, such as api-us-1.cxone.com. It wins over CXONE_REGION.",
  },
  region: {
    env: 'CXONE_REGION',
    schema: setting.text(DEFAULT_HOST),
    help: 'The same as a host or as the short name of a region: us-1 stands for api-us-1.cxone.com.',
  },
  clientId: { env: 'CXONE_CLIENT_ID', schema: setting.text(), help: 'OAuth client.' },
  clientSecret: { env: 'CXONE_CLIENT_SECRET', schema: setting.foreignSecret(), help: 'Its secret.' },
  webhookUrl: {
    env: 'CXONE_WEBHOOK_URL',
    schema: setting.text(),
    help: 'Public URL of ingress, which the provider delivers to.',
  },
  webhookSecret: {
    env: 'CXONE_WEBHOOK_SECRET',
    schema: setting.optionalSecret(),
    help: 'Secret that the provider signs with. Must match the value of ingress.',
  },
} satisfies Settings

export type RegistrationConfig = ConfigOf<typeof REGISTRATION_SETTINGS> & { readonly hostUrl: string }

/** A host, a URL without a path, or a region: `us-1` and `api-us-1` stand for `api-us-1.cxone.com`. */
const urlOf = (given: string): string | undefined => {
  const isRegion = /^[\w-]+$/.test(given) && given.toLowerCase() !== 'localhost'
  const host = isRegion ? `api-${given.replace(/^api-/i, '')}.cxone.com` : given
  try {
    const { protocol, pathname, search, hash, username, password, origin } = new URL(
      /^https?:\/\//i.test(host) ? host : `https://${host}`,
    )
    const isHost = /^https?:$/.test(protocol) && /^\/*$/.test(pathname)
    return isHost && `${search}${hash}${username}${password}` === '' ? origin : undefined
  } catch {
    return undefined
  }
}

/** Checked on this machine too, because any process may listen there. */
const findings = ({
  instance,
  region,
  profile,
}: ConfigOf<typeof REGISTRATION_SETTINGS>): readonly RiskFinding[] => {
  const url = urlOf(instance ?? region)
  if (profile === 'dev' || url?.startsWith('http://') !== true) return []
  const name = instance === undefined ? 'CXONE_REGION' : 'CXONE_INSTANCE'
  const what = `${name} is ${url} and requests to it carry CXONE_CLIENT_SECRET and CXONE_WEBHOOK_SECRET`
  return [{ risk: 'ALLOW_PLAINTEXT_HTTP', what }]
}

const check = (config: ConfigOf<typeof REGISTRATION_SETTINGS>): readonly string[] => {
  const { instance, region } = config
  return urlOf(instance ?? region) === undefined
    ? [
        `${instance === undefined ? 'CXONE_REGION' : 'CXONE_INSTANCE'} is not a host: give one such as ${DEFAULT_HOST}.`,
      ]
    : refusedRisks(findings(config), config)
}

/** Throws a `ConfigError`. */
export const loadRegistrationConfig = (env: Environment = environment()): RegistrationConfig => {
  const config = load(REGISTRATION_SETTINGS, env, check)
  for (const risk of takenRisks(findings(config), config)) tellRisk(risk)
  return { ...config, hostUrl: urlOf(config.instance ?? config.region)! }
}
