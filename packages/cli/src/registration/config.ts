import { loadSettings, setting, type ConfigOf, type Environment, type Settings } from '@weir/service-kit'

export const REGISTRATION_SETTINGS = {
  instance: {
    env: 'CXONE_INSTANCE',
    schema: setting.optionalText(),
    help: "Host of the provider's API, such as api-us-1.cxone.com.",
  },
  region: {
    env: 'CXONE_REGION',
    schema: setting.optionalText(),
    help: 'Instead of CXONE_INSTANCE: us-1 stands for api-us-1.cxone.com.',
  },
  clientId: { env: 'CXONE_CLIENT_ID', schema: setting.text(), help: 'OAuth client.' },
  clientSecret: {
    env: 'CXONE_CLIENT_SECRET',
    schema: setting.text(),
    secret: true,
    help: 'Its secret.',
  },
  webhookUrl: {
    env: 'CXONE_WEBHOOK_URL',
    schema: setting.text(),
    help: 'Public URL of ingress that the provider is to deliver to.',
  },
  webhookSecret: {
    env: 'CXONE_WEBHOOK_SECRET',
    schema: setting.optionalText(),
    secret: true,
    help: 'With which the provider signs, as ingress has it.',
  },
} satisfies Settings

export type RegistrationConfig = ConfigOf<typeof REGISTRATION_SETTINGS> & { readonly hostUrl: string }

const needsOne = ({ instance, region }: ConfigOf<typeof REGISTRATION_SETTINGS>): readonly string[] =>
  instance === undefined && region === undefined
    ? ["CXONE_INSTANCE and CXONE_REGION are not set: give the host of the provider's API."]
    : []

/** Throws a `ConfigError`. */
export const loadRegistrationConfig = (env: Environment = process.env): RegistrationConfig => {
  const config = loadSettings(REGISTRATION_SETTINGS, env, needsOne)
  const host = config.instance ?? `api-${config.region!}.cxone.com`
  return { ...config, hostUrl: /^https?:\/\//.test(host) ? host.replace(/\/+$/, '') : `https://${host}` }
}
