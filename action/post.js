// After the job, however it went: the token ends before its time. A job is never failed for it; its end is set.
import { brokerUrl, revoke } from "./broker.js";
import { mask, note, reason, state, warn } from "./runner.js";

try {
  const [url, token] = [state("url"), state("token")];
  if (token) {
    mask(token);
    await revoke(brokerUrl(url), token, state("owner"));
    note("The token is revoked.");
  }
} catch (failure) {
  warn(`The token was not revoked, and lives until its end. ${reason(failure)}`);
}
