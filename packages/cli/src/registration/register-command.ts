import { Argument, Command } from 'commander'
import { guarded } from '../guarded.ts'
import { loadRegistrationConfig } from './config.ts'
import { OAuthToken, RegistrationError } from './oauth-token.ts'
import { registerWebhook } from './register-webhook.ts'
import {
  REGISTRATION_FORMS,
  REGISTRATION_FORM_NAMES,
  type RegistrationForm,
  type RegistrationFormName,
} from './registration-forms.ts'

interface RegisterCommandOptions {
  readonly path: string
  readonly name: string
  readonly dryRun?: boolean
}

const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const register = async (
  form: RegistrationFormName,
  { path, name, dryRun }: RegisterCommandOptions,
): Promise<void> => {
  const { hostUrl, clientId, clientSecret, webhookUrl, webhookSecret } = loadRegistrationConfig()
  const { scopes, bodyOf }: RegistrationForm = REGISTRATION_FORMS[form]
  const body = (secret: string | undefined) => bodyOf({ name, url: webhookUrl, secret })
  if (dryRun) {
    print(`POST ${hostUrl}${path}\nscopes ${scopes.join(' ')}`)
    print(JSON.stringify(body(webhookSecret && 'set'), undefined, 2))
    return
  }
  const token = new OAuthToken({ hostUrl, clientId, clientSecret, scopes })
  const registration = await registerWebhook({ hostUrl, path, scopes, token, body: body(webhookSecret) })
  print(
    registration.kind === 'exists'
      ? 'it is registered already'
      : `registered as ${registration.webhookId ?? 'a webhook without an id'}`,
  )
}

/** `weir sources register`: a step of a deployment, not of the start. */
export const registerCommand = (): Command =>
  new Command('register')
    .description('Registers a webhook with the provider, by OAuth client credentials (CXONE_* variables).')
    .addArgument(new Argument('<form>', 'what to register').choices(REGISTRATION_FORM_NAMES))
    .option('--path <path>', "of the provider's API", '/api/v2/webhooks')
    .option('--name <name>', 'of the webhook', 'Interaction Router')
    .option('--dry-run', 'only print the request, without secrets')
    .action(guarded([RegistrationError], register))
