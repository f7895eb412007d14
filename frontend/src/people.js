// Scripts of the area people.
import "./passkeys.js";
