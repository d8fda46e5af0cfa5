import { Argument, type Command } from 'commander'
import { print, printJson } from '../../output.ts'
import { loadRegistrationConfig } from './config.ts'
import { OAuthToken, RegistrationError } from './oauth-token.ts'
import { registerWebhook } from './register-webhook.ts'
import {
  REGISTRATION_FORMS,
  REGISTRATION_FORM_NAMES,
  rightsOf,
  type RegistrationForm,
  type RegistrationFormName,
} from './registration-forms.ts'

interface RegisterCommandOptions {
  readonly path: string
  readonly name?: string
  readonly enriching?: boolean
  readonly dryRun?: boolean
}

const register = async (
  formName: RegistrationFormName,
  { path, name, enriching, dryRun }: RegisterCommandOptions,
): Promise<void> => {
  const { hostUrl, clientId, clientSecret, webhookUrl, webhookSecret } = loadRegistrationConfig()
  const form: RegistrationForm = REGISTRATION_FORMS[formName]
  if (form.needsSecret && (webhookSecret === undefined || webhookSecret === '')) {
    throw new RegistrationError(
      `CXONE_WEBHOOK_SECRET is not set: ${formName} is signed with it. Give the secret that ingress has.`,
    )
  }
  const scopes = enriching ? [...form.scopes, ...form.enrichingScopes] : form.scopes
  const body = (secret: string | undefined) =>
    form.bodyOf({ name: name ?? form.name, url: webhookUrl, secret })
  if (dryRun) {
    print(`POST ${hostUrl}${path}`, `scopes ${scopes.length > 0 ? scopes.join(' ') : "(the client's own)"}`)
    printJson(body(webhookSecret && 'set'))
    return
  }
  const token = new OAuthToken({ hostUrl, clientId, clientSecret, scopes })
  const rights = rightsOf(form, scopes)
  const registration = await registerWebhook({ hostUrl, path, rights, token, body: body(webhookSecret) })
  print(
    registration.kind === 'exists'
      ? 'it is registered already'
      : `registered as ${registration.webhookId ?? 'a webhook without an id'}`,
  )
}

/** `weir sources register`: a step of a deployment, not of the start. */
export const addRegisterCommand = (sources: Command): void => {
  sources
    .command('register')
    .description('Registers a webhook with the provider, by OAuth client credentials (CXONE_* variables).')
    .addArgument(new Argument('<form>', 'what to register').choices(REGISTRATION_FORM_NAMES))
    .option('--path <path>', "of the provider's API", '/api/v2/webhooks')
    .option('--name <name>', "of the webhook, instead of the form's own")
    .option('--enriching', 'also ask for the scopes that the receiver needs to read interactions (cxone)')
    .option('--dry-run', 'only print the request, without secrets')
    .action(register)
}
