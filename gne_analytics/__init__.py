"""From a record of violations and appeals to a policy config that its owner can sign."""
