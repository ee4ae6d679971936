// Makes a container: one request, signed with the account's key as Azure asks for it.
import { createHmac } from "node:crypto";

const [port, account, key, container] = process.argv.slice(1);
const date = new Date().toUTCString();
const version = "2021-12-02";
const signed =
  "PUT" + "\n".repeat(12) +
  `x-ms-date:${date}\nx-ms-version:${version}\n` +
  `/${account}/${account}/${container}\nrestype:container`;
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(signed, "utf8").digest("base64");
const answer = await fetch(`http://127.0.0.1:${port}/${account}/${container}?restype=container`, {
  method: "PUT",
  headers: { "x-ms-date": date, "x-ms-version": version, Authorization: `SharedKey ${account}:${signature}` },
});
if (answer.status !== 201) {
  console.error(answer.status, await answer.text());
  process.exit(1);
}
