"""The authored part of the card on being lost to care."""

from __future__ import annotations

from training.statements.screening import SCREENING_COLORECTAL
from training.values import Bilingual

LOST_TO_CARE = SCREENING_COLORECTAL.model_copy(
    update={
        "plain_purpose": Bilingual(
            fr="Ce modèle estime, pour un adulte qui a une maladie chronique et que son médecin a vu dans l’année, la probabilité "
            "qu’il reste ensuite dix-huit mois sans consulter en médecine générale, pour que le cabinet puisse reprendre contact "
            "à temps.",
            en="For an adult with a long-term illness whom the doctor has seen within the year, this model estimates the "
            "probability of then going eighteen months without general-practice care, so that the practice can get in touch in "
            "time.",
        ),
        "plain_prohibition": Bilingual(
            fr="Il ne doit servir ni à contrôler les patients, ni à les radier, ni à juger un médecin, ni à une assurance ou un "
            "employeur.",
            en="It must not be used to police patients, to strike them off, to judge a doctor, nor by an insurer or an employer.",
        ),
        "clinical_context": Bilingual(
            fr="Une maladie chronique demande en France au moins une ou deux consultations par an. Une interruption longue précède "
            "souvent une complication, ou traduit une difficulté d’accès, un renoncement ou un départ non signalé. Aucun score "
            "publié n’existe pour ce critère ; la règle simple est le nombre de consultations de l’année.",
            en="In France a long-term illness asks for one or two consultations a year at least. A long interruption often comes "
            "before a complication, or tells of trouble in reaching care, of giving up, or of a departure nobody reported. There "
            "is no published score; the simple rule is the number of consultations in the year.",
        ),
        "intended_use": Bilingual(
            fr="Ordonner la liste des patients chroniques du cabinet pour un appel ou un message proposant un rendez-vous.",
            en="To order a practice’s list of patients with long-term illness for a call or a message offering an appointment.",
        ),
        "intended_users": Bilingual(
            fr="Médecins généralistes, infirmiers et assistants médicaux du cabinet ; chercheurs.",
            en="General practitioners, nurses and assistants of the practice; researchers.",
        ),
        "out_of_scope": Bilingual(
            fr="Moins de 18 ans, sans maladie chronique connue, inscrit depuis moins d’un an, ou déjà sans contact depuis un an : le "
            "modèle s’abstient. Personnes en établissement, suivies ailleurs : ne pas l’utiliser.",
            en="Under 18, without a known long-term illness, registered for less than a year, or already without contact for a "
            "year: the model abstains. People in institutions or followed elsewhere: do not use it.",
        ),
        "how_to_use": Bilingual(
            fr="Vérifier d’abord que la personne n’est ni partie ni suivie ailleurs. Une probabilité élevée appelle une prise de "
            "contact, jamais un reproche.",
            en="First check that the person has neither left nor is followed elsewhere. A high probability calls for getting in "
            "touch, never for blame.",
        ),
        "threshold_rationale": Bilingual(
            fr="5 % et 15 % : bornes des trois niveaux affichés, fixées avant l’analyse ; aucune recommandation ne les définit.",
            en="5% and 15%: the bounds of the three levels shown, set before the analysis; no guideline defines them.",
        ),
        "interpretation": Bilingual(
            fr="Les données sont synthétiques : les résultats montrent que la méthode fonctionne, non ce que le modèle vaudrait en "
            "France. À comparer à la règle simple : si le modèle ne fait pas mieux, elle suffit. Prédire n’est pas agir : rien "
            "ici ne dit qui un appel fera revenir.",
            en="The data are synthetic: results show that the method works, not what the model would be worth in France. Compare "
            "with the simple rule: if the model does no better, it will do. To predict is not to act: nothing here tells whom a "
            "call would bring back.",
        ),
        "fairness_approach": Bilingual(
            fr="Même calibration pour tous (observé / prédit entre 0,8 et 1,25, fixé avant l’analyse). Défavorisation, ruralité et "
            "couverture sont des variables d’entrée : sans elles le modèle sous-estimerait la rupture chez les plus "
            "défavorisés, et les rappellerait moins.",
            en="The same calibration for all (observed / expected between 0.8 and 1.25, set before the analysis). Deprivation, "
            "rurality and cover are inputs: without them the model would underestimate loss among the most deprived, and call "
            "them less.",
        ),
        "known_inequalities": Bilingual(
            fr="Le renoncement aux soins est plus fréquent chez les personnes défavorisées, en zone sous-dense, et en cas de trouble "
            "psychique ou de handicap.",
            en="Going without care is more frequent among deprived people, where doctors are few, and with mental illness or "
            "disability.",
        ),
        "risks_and_limitations": Bilingual(
            fr="Un départ non signalé ressemble à une rupture. Les soins donnés ailleurs (hôpital, autre cabinet) ne sont pas tous "
            "connus. Appeler quelqu’un peut être ressenti comme un contrôle.",
            en="A departure nobody reported looks like loss. Care given elsewhere (hospital, another practice) is not all known. To "
            "be called may feel like being policed.",
        ),
        "patient_information": Bilingual(
            fr="Votre cabinet peut s’aider d’un calcul fait à partir de votre dossier pour reprendre contact avec vous si votre suivi "
            "risque de s’interrompre. Ce calcul ne décide de rien. Vous pouvez demander à voir les données utilisées et le "
            "résultat, et vous y opposer, sans conséquence sur vos soins (art.\u00a0L.\u00a04001-3 du code de la santé publique).",
            en="Your practice may use a calculation made from your record to get in touch with you if your follow-up may break off. "
            "The calculation decides nothing. You may ask to see the data used and the result, and you may object, without any "
            "consequence for your care (art.\u00a0L.\u00a04001-3 of the French public-health code).",
        ),
        "updates": Bilingual(
            fr="L’approbation expire à la date fixée par le comité ; au-delà, le service refuse de répondre. Toute modification "
            "produit une nouvelle carte, donc une nouvelle décision.",
            en="Approval expires on the date set by the committee; after it the service refuses to answer. Any change makes a "
            "new card, hence a new decision.",
        ),
        "references": Bilingual(fr="TRIPOD+AI : BMJ 2024;385:e078378.", en="TRIPOD+AI: BMJ 2024;385:e078378."),
    }
)
